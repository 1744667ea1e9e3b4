"""Build Ollama from its Go module, for machines that reach package indexes but not Ollama's downloads.

The module lacks three vendored C++ headers. Two are in Debian packages (`nlohmann-json3-dev`, `libstb-dev`), or may be
anywhere in the compiler's path; miniaudio's is in the Go module malgo.

The published Ollama has a library of kernels for each kind of processor; the module alone is built for one. So it is
built for this machine's: with AVX2 and FMA, it evaluates prompts eight times and generates tokens four times as fast as
without (SmolLM2-135M in Q4_1 on two cores).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from speechlocal import locks, microarchitecture, ollama, versions
from speechlocal.containers import published
from speechlocal.errors import LocalError, MissingError
from speechlocal.offline import golang

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from speechlocal.progress import Report

MODULE = "github.com/ollama/ollama"
MALGO = f"github.com/gen2brain/malgo@{versions.MALGO}"
OLDEST_GO = (1, 24)
PACKAGES = 533  # that `go install` lists for this version, for display only
CPU_MINUTES = 7


def missing_requirements() -> list[str]:
    """Return what must be installed before Ollama can be built, human-readable; empty when it can be built."""
    missing = []
    if shutil.which("go") is None or golang.version() < OLDEST_GO:
        missing.append(f"Go {'.'.join(map(str, OLDEST_GO))} or newer ({golang.DOWNLOADS})")
    if shutil.which("g++") is None:
        missing.append("a C++ compiler (g++)")
    headers = ("nlohmann/json.hpp", "stb/stb_image.h")
    return missing + [f"the header {header}" for header in headers if not has_header(header)]


def ensure(report: Report) -> Path:
    """Return the Ollama that was built here, after building it if needed.

    Raises:
        MissingError: it cannot be built on this machine.
        LocalError: the build failed.
    """
    if not ollama.built().is_file():
        if missing := missing_requirements():
            raise MissingError(
                f"the Ollama image needs a program that is built here; missing: {', '.join(missing)}",
                f"install them, or skip this image with --only; the published one is {published.IMAGES['ollama']}",
            )
        build(lambda count, package: report(f"Ollama: {count} of about {PACKAGES} packages {package}"))
    return ollama.built()


def build(on_package: Callable[[int, str], None]) -> Path:
    """Build the program into the cache and return its path; another build at the same time is waited for.

    Args:
        on_package: called with a running count and a package's name as its compilation starts.

    Raises:
        LocalError: the build failed; the message has the end of its output.
    """
    target = ollama.built()
    with locks.held(target.parent / "lock"):
        if not target.is_file():
            compile_into(target.parent, on_package)
    return target


def compile_into(folder: Path, on_package: Callable[[int, str], None]) -> None:
    """Run `go install` at low priority, so that the machine stays usable, and leave `ollama` in `folder`.

    The folder of the headers is always the same, so that Go's build cache continues an interrupted build.
    """
    include, unfinished = folder / "include", folder / "unfinished"
    include.mkdir(exist_ok=True)
    (include / "miniaudio").unlink(missing_ok=True)
    (include / "miniaudio").symlink_to(golang.downloaded(MALGO))
    command = [
        *("nice", "-n", "10", "go", "install", "-v", *golang.FLAGS),
        *("-ldflags", f"-s -w -X {MODULE}/version.Version={versions.OLLAMA}"),
        f"{MODULE}@v{versions.OLLAMA}",
    ]
    level = microarchitecture.level()
    flags = f"-O2 -march={level}" if level else "-O2"
    compiling = {"CGO_ENABLED": "1", "CGO_CPPFLAGS": f"-I{include}", "CGO_CFLAGS": flags, "CGO_CXXFLAGS": flags}
    environment = {**golang.environment(), **compiling, "GOBIN": str(unfinished)}
    output: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as building:
        for line in building.stdout or ():
            output.append(line.rstrip())
            on_package(len(output), line.strip())
    if building.returncode:
        raise LocalError("Ollama could not be built:\n" + "\n".join(output[-15:]))
    (unfinished / "ollama").replace(folder / "ollama")
    unfinished.rmdir()


def has_header(header: str) -> bool:
    """Return whether the C++ compiler finds a header."""
    if shutil.which("g++") is None:
        return False
    command = ["g++", "-E", "-x", "c++", "-include", header, os.devnull]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
