"""Build Ollama from its Go module, for machines that reach package indexes but not its downloads.

The module leaves three vendored C++ headers out. Two are Debian packages (`nlohmann-json3-dev`, `libstb-dev`; or the
same headers from elsewhere in the compiler's path); miniaudio's lies in the Go module of malgo.

The published Ollama brings a library of kernels for each kind of processor; the module alone is built for one. So it is
built for this machine's: with AVX2 and FMA it reads a prompt eight times as fast as without, and writes four times as
fast (SmolLM2-135M in Q4_1 on two cores).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from speechlocal import locks, microarchitecture, ollama
from speechlocal.errors import LocalError
from speechlocal.offline import golang

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MODULE = "github.com/ollama/ollama"
MALGO = "github.com/gen2brain/malgo@v0.11.24"
OLDEST_GO = (1, 24)
PACKAGES = 533  # that `go install` names for this version; only for showing how far it is
CPU_MINUTES = 7


def what_is_missing() -> list[str]:
    """Return what must be installed before Ollama can be built, in words; empty when all is there."""
    missing = []
    if shutil.which("go") is None or golang.version() < OLDEST_GO:
        missing.append(f"Go {'.'.join(map(str, OLDEST_GO))} or newer (https://go.dev/dl)")
    if shutil.which("g++") is None:
        missing.append("a C++ compiler (g++)")
    missing += [f"the header {header}" for header in ("nlohmann/json.hpp", "stb/stb_image.h") if not compiles(header)]
    return missing


def build(on_package: Callable[[int, str], None]) -> Path:
    """Build the program into the cache and return its path; another build at the same time is waited for.

    Args:
        on_package: called with a running count and a package's name as its compilation starts.

    Raises:
        LocalError: the build failed; the end of its output is in the message.
    """
    target = ollama.built()
    with locks.held(target.parent / "lock"):
        if not target.is_file():
            compile_into(target.parent, on_package)
    return target


def compile_into(folder: Path, on_package: Callable[[int, str], None]) -> None:
    """Run `go install` at low priority, so that the machine stays usable, and put `ollama` into `folder` when done.

    The headers' place is always the same: Go's build cache then continues a build that was interrupted.
    """
    include, unfinished = folder / "include", folder / "unfinished"
    include.mkdir(exist_ok=True)
    (include / "miniaudio").unlink(missing_ok=True)
    (include / "miniaudio").symlink_to(golang.downloaded(MALGO))
    command = [
        *("nice", "-n", "10", "go", "install", "-v", *golang.FLAGS),
        *("-ldflags", f"-s -w -X {MODULE}/version.Version={ollama.VERSION}"),
        f"{MODULE}@v{ollama.VERSION}",
    ]
    flags = f"-O2 -march={microarchitecture.level()}" if microarchitecture.level() else "-O2"
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


def compiles(header: str) -> bool:
    """Tell whether the C++ compiler finds a header."""
    if shutil.which("g++") is None:
        return False
    command = ["g++", "-E", "-x", "c++", "-include", header, os.devnull]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
