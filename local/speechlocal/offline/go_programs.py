"""Programs built from Go modules, once, into the cache."""

from __future__ import annotations

import tempfile
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import locks, programs
from speechlocal.offline import go_build
from speechlocal.offline.go_recipes import unit
from speechlocal.progress import silent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechlocal.progress import Report


def ensure(names: Iterable[str], report: Report = silent) -> dict[str, Path]:
    """Return the paths of programs; those neither cached nor installed are built, one run of Go for each module.

    Raises:
        KeyError: there is no such program.
        MissingError: one must be built and there is no Go.
        LocalError: a build failed.
    """
    wanted = list(dict.fromkeys(names))
    for one, members in groupby(sorted(programs.missing(wanted), key=lambda name: (unit(name), name)), key=unit):
        _build(one, list(members), report)
    return {name: programs.find(name) or programs.cached(name) for name in wanted}


def _build(unit: str, names: list[str], report: Report) -> None:
    """Build the programs of one unit, or wait for another process that does."""
    lock = programs.folder() / f"{unit}.lock"
    with locks.held(lock, lambda: report(f"waiting for another process that builds {unit}")):
        missing = [name for name in names if not programs.cached(name).is_file()]
        if not missing:
            return
        with tempfile.TemporaryDirectory(prefix="unfinished-", dir=programs.folder()) as unfinished:
            go_build.build(missing, Path(unfinished), report)
            for name in missing:
                programs.cached(name).parent.mkdir(exist_ok=True)
                (Path(unfinished) / name).replace(programs.cached(name))
