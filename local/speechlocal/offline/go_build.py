"""One run of Go that builds programs into a folder, at low priority and with progress."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from speechlocal import programs
from speechlocal.errors import LocalError, MissingError
from speechlocal.offline import golang
from speechlocal.offline.go_recipes import GO_MODULES, RECIPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from speechlocal.progress import Report

SHOWN_LINES = 15


def build(names: Sequence[str], folder: Path, report: Report) -> None:
    """Build programs of one unit in a single run of Go, each into `folder` under its own name.

    Args:
        names: at least one program, all of the same unit.
        folder: must exist.
        report: called as each package is compiled.

    Raises:
        MissingError: there is no Go.
        LocalError: the build failed; the message has the end of its output.
    """
    go = shutil.which("go")
    listed = ", ".join(names)
    if go is None:
        raise MissingError(f"Go is needed to build {listed}", f"install Go 1.26 or newer ({golang.DOWNLOADS})")
    first = RECIPES[names[0]]
    output = list[str]()
    compiled = 0
    with subprocess.Popen(
        ["nice", "-n", "10", go, *arguments(names, folder)],
        cwd=GO_MODULES / first.module if first.module else folder,
        env={**golang.environment(), "CGO_ENABLED": "0", "GOBIN": str(folder), "GOWORK": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as building:
        for line in building.stdout or ():
            output.append(line.rstrip())
            if line.startswith("go: "):
                report(line.strip().removeprefix("go: "))
            else:
                compiled += 1
                report(f"{compiled} of about {first.packages} packages" if compiled <= first.packages else "linking")
    if building.returncode:
        messages = [line for line in output if " " in line]  # a line without spaces is the name of a package
        raise LocalError(f"{listed} could not be built:\n" + "\n".join(messages[-SHOWN_LINES:]))
    for name in names:
        (folder / RECIPES[name].file_name).rename(folder / name)


def arguments(names: Sequence[str], folder: Path) -> list[str]:
    """Return the arguments of Go for a build of `names`, as for `build`."""
    recipes = [RECIPES[name] for name in names]
    if recipes[0].module:
        command = ["build", "-o", f"{folder}/"]
        packages = [recipe.package for recipe in recipes]
    else:
        command = ["install"]
        packages = [f"{recipe.package}@{programs.VERSIONS[name]}" for name, recipe in zip(names, recipes, strict=True)]
    variables = dict.fromkeys(one for recipe in recipes for one in recipe.variables)  # others' have no effect
    linking = " ".join(["-s -w", *(f"-X {variable}" for variable in variables)])
    return [*command, "-v", *golang.FLAGS, "-ldflags", linking, *packages]
