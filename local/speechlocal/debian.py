"""Debian packages that builds and tests need: finds the missing ones, and installs them if this user can."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechlocal.progress import Report


@dataclass(frozen=True)
class Package:
    """A Debian package: a file or command that proves it is installed, what needs it, and whether fast tests do.

    Fast tests are those of the tiers unit and component.
    """

    name: str
    evidence: str
    needed_by: str
    fast: bool = True

    def present(self) -> bool:
        """Return whether its command is on PATH, or its file exists."""
        if self.evidence.startswith("/"):
            return Path(self.evidence).exists()
        return shutil.which(self.evidence) is not None


COMPILER = Package("g++", "g++", "building Ollama and Kubernetes' pause")
FOR_OLLAMA = (
    COMPILER,
    Package("nlohmann-json3-dev", "/usr/include/nlohmann/json.hpp", "building Ollama"),
    Package("libstb-dev", "/usr/include/stb/stb_image.h", "building Ollama"),
)
DEBOOTSTRAP = Package("debootstrap", "debootstrap", "building images without a registry", fast=False)
PROMETHEUS = Package("prometheus", "promtool", "tests of the alerts and dashboards")
JQ = Package("jq", "jq", "tests of the discovery of dashboards in the local cluster")
OPENSSL = Package("openssl", "openssl", "certificates of the tests' API server", fast=False)
ESPEAK = Package("espeak-ng", "espeak-ng", "tests of a voice that Whisper hardly understands")
SOUNDS = "/usr/share/asterisk/sounds"
VOICES = tuple(
    Package(f"asterisk-core-sounds-{language}-gsm", f"{SOUNDS}/{voice}", "tests of recognition in other languages")
    for language, voice in (
        ("es", "es_MX_f_Allison"),
        ("fr", "fr_CA_f_June"),
        ("it", "it_IT_m_Carlo"),
        ("ru", "ru_RU_f_IvrvoiceRU"),
    )
)
"""Recorded voice prompts of 2 to 3 MB each, under Creative Commons BY-SA 3.0 (Russian: BY 3.0)."""

PACKAGES = (
    Package("curl", "curl", "the clients in examples/"),
    Package("nodejs", "node", "the clients in examples/"),
    OPENSSL,
    *FOR_OLLAMA,
    ESPEAK,
    JQ,
    PROMETHEUS,
    *VOICES,
    DEBOOTSTRAP,
    Package("chromium", "chromium", "pages in a browser", fast=False),
)
"""What the tests need, including builds before them."""


def missing(*, fast: bool = False) -> list[Package]:
    """Return the missing packages, of those that any test needs or only of those that fast tests need."""
    return [package for package in PACKAGES if (package.fast or not fast) and not package.present()]


def can_install() -> bool:
    """Return whether this user can install packages here."""
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def ensure(packages: Iterable[Package], report: Report) -> None:
    """Install missing packages if this user can; otherwise the builds that need them fail with their own message.

    Raises:
        LocalError: apt-get failed.
    """
    missing = [package for package in dict.fromkeys(packages) if not package.present()]
    if missing and can_install():
        report(f"installing {names(missing)}")
        install(missing)


def install(packages: list[Package]) -> None:
    """Install packages with apt-get; raise LocalError if it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *(package.name for package in packages)],
    ):
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise LocalError(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr).strip()[-1500:]}")


def names(packages: Iterable[Package]) -> str:
    """Return the names of packages, for display."""
    return ", ".join(package.name for package in packages)
