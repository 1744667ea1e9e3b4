"""The programs around the cluster: found on PATH where the version fits, else built once into the cache."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import locks, paths
from speechlocal.offline import go_build
from speechlocal.offline.go_programs import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from speechlocal.offline.go_programs import Program

ASK_TIMEOUT_S = 10.0
UNIT = attrgetter("unit")


def silent(_text: str) -> None:
    """Say nothing: what `ensure` reports to when nobody asked."""


def ensure(name: str, progress: Callable[[str], None] = silent) -> Path:
    """Return the path of a program, which is built first when it is neither in the cache nor installed.

    Args:
        name: one of `programs.PROGRAMS`.
        progress: called with a short text now and then while something is built.

    Raises:
        KeyError: there is no such program.
        MissingError: it must be built and there is no Go.
        LocalError: the build failed.
    """
    return ensure_all([name], progress)[name]


def ensure_all(names: Iterable[str], progress: Callable[[str], None] = silent) -> dict[str, Path]:
    """Return the paths of several programs; those of one module are built in one go. Errors as `ensure`."""
    wanted = [PROGRAMS[name] for name in dict.fromkeys(names)]
    missing = sorted((program for program in wanted if find(program.name) is None), key=UNIT)
    for unit, programs in groupby(missing, key=UNIT):
        _build(unit, list(programs), progress)
    return {program.name: find(program.name) or built(program) for program in wanted}


def missing(names: Iterable[str]) -> list[Program]:
    """Return those of the programs that `ensure` would have to build."""
    return [PROGRAMS[name] for name in names if find(name) is None]


def find(name: str) -> Path | None:
    """Return the path of a program in the cache, or of one on PATH whose version fits, or None."""
    program = PROGRAMS[name]
    if built(program).is_file():
        return built(program)
    on_path = shutil.which(name)
    if program.on_path and on_path and program.on_path.fits(_said([on_path, *program.on_path.ask])):
        return Path(on_path)
    return None


def built(program: Program) -> Path:
    """Return where the cache keeps a program, whether or not it is there."""
    return folder() / f"{program.name}-{program.version.removeprefix('v')}" / program.name


def folder() -> Path:
    """Return the cache's folder for programs."""
    return paths.cache() / "tools"


def _build(unit: str, programs: list[Program], progress: Callable[[str], None]) -> None:
    """Build programs of one unit unless another process just did; that one is waited for."""
    with locks.held(folder() / f"{unit}.lock", lambda: progress(f"waiting for another process that builds {unit}")):
        programs = [program for program in programs if not built(program).is_file()]
        if not programs:
            return
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=folder()) as unfinished:
            go_build.build(programs, Path(unfinished), progress)
            for program in programs:
                built(program).parent.mkdir(exist_ok=True)
                (Path(unfinished) / program.name).replace(built(program))


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=ASK_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
