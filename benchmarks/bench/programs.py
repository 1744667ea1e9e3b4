"""Build the Go programs, the peers and the stub of the upstreams, once for each state of their source."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(__file__).resolve().parent.parent / "peers"
GO_PROGRAMS = ("plain", "streaming", "stub")
BUILD_TIMEOUT = 300  # seconds


class GoMissingError(Exception):
    """The Go programs cannot be built here; the text says what to do."""


def build_go_programs(say: Callable[[str], None]) -> Path:
    """Give the folder that holds the programs, built with `go build` unless this very source was built before.

    Raises:
        GoMissingError: there is no `go`, or it could not build the programs.
    """
    go = shutil.which("go")
    if go is None:
        raise GoMissingError(
            "Go 1.24 or newer is not installed (Debian: apt-get install golang-go; or https://go.dev/dl)"
        )
    version = subprocess.run([go, "version"], check=True, capture_output=True, text=True).stdout
    target = cache_folder() / f"bench-{digest(version)}"
    if all((target / name).is_file() for name in GO_PROGRAMS):
        return target
    say(f"building {', '.join(GO_PROGRAMS)} with {version.split()[2]} (a minute or so the first time)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="bench-building-") as building:
        command = [go, "build", "-trimpath", "-o", f"{building}/", *(f"./cmd/{name}" for name in GO_PROGRAMS)]
        built = subprocess.run(command, cwd=SOURCE, check=False, capture_output=True, text=True, timeout=BUILD_TIMEOUT)
        if built.returncode != 0:
            raise GoMissingError(f"`go build` failed in {SOURCE}:\n{built.stderr}")
        shutil.copytree(building, target, dirs_exist_ok=True)
    return target


def cache_folder() -> Path:
    """Where this project keeps what is costly to make."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "speechpipeline"


def digest(version: str) -> str:
    """Name the state of the source and of the compiler."""
    state = hashlib.sha256(version.encode())
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file():
            state.update(str(path.relative_to(SOURCE)).encode())
            state.update(path.read_bytes())
    return state.hexdigest()[:16]
