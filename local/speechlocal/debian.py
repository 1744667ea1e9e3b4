"""Debian packages: which builds and tests need, which are missing, and installing them where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Package:
    """A Debian package, a file or command that shows it is there, and the tests that need it.

    `fast` tells that unit or component tests are among these.
    """

    name: str
    evidence: str
    needed_by: str
    fast: bool = True

    def present(self) -> bool:
        """Tell whether its command is on PATH, or its file in place."""
        if self.evidence.startswith("/"):
            return Path(self.evidence).exists()
        return shutil.which(self.evidence) is not None


COMPILER = Package("g++", "g++", "Ollama and Kubernetes' pause, which are built here")
FOR_OLLAMA = (
    COMPILER,
    Package("nlohmann-json3-dev", "/usr/include/nlohmann/json.hpp", "Ollama, which is built here"),
    Package("libstb-dev", "/usr/include/stb/stb_image.h", "Ollama, which is built here"),
)
DEBOOTSTRAP = Package("debootstrap", "debootstrap", "the images, which are made here", fast=False)
PACKAGES = (
    Package("curl", "curl", "the clients in examples/"),
    Package("nodejs", "node", "the clients in examples/"),
    Package("openssl", "openssl", "the keys of the API server that tests start", fast=False),
    *FOR_OLLAMA,
    DEBOOTSTRAP,
    Package("chromium", "chromium", "the playground in a browser", fast=False),
)
"""What the tests need, builds that come before them included."""


def missing(*, fast: bool = False) -> list[Package]:
    """Return the packages that are not there, of those that any test needs, or only those that a fast one does."""
    return [package for package in PACKAGES if (package.fast or not fast) and not package.present()]


def can_install() -> bool:
    """Tell whether this user may install packages here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def ensure(packages: Iterable[Package], say: Callable[[str], None]) -> None:
    """Install those that are missing, where this user may; where not, what needs one says so when its turn comes.

    Raises:
        LocalError: apt-get failed.
    """
    lacking = [package for package in dict.fromkeys(packages) if not package.present()]
    if lacking and can_install():
        say(f"installing {', '.join(package.name for package in lacking)}")
        install(lacking)


def install(packages: list[Package]) -> None:
    """Install packages with apt-get; raise LocalError when it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    names = [package.name for package in packages]
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names],
    ):
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise LocalError(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr).strip()[-1500:]}")
