"""Build programs with Go into a folder, at low priority and telling how far it is."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from speechlocal import paths
from speechlocal.errors import LocalError, MissingError
from speechlocal.offline import golang
from speechlocal.offline.go_programs import GO_MODULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from speechlocal.offline.go_programs import Program

SHOWN_LINES = 15


def build(programs: Sequence[Program], folder: Path, say: Callable[[str], None]) -> None:
    """Build programs of one module in a single run of Go, each into `folder` under its own name.

    Args:
        programs: all of one unit.
        folder: exists.
        say: called with a short text as each package is compiled.

    Raises:
        MissingError: there is no Go.
        LocalError: the build failed; the end of its output is in the message.
    """
    go = shutil.which("go")
    names = ", ".join(program.name for program in programs)
    if go is None:
        raise MissingError(f"Go is needed to build {names}", "install Go 1.26 or newer (https://go.dev/dl)")
    first = programs[0]
    command = ["nice", "-n", "10", go]
    if first.module:
        command += ["build", "-o", f"{folder}/"]
        packages = [program.package for program in programs]
    else:
        command += ["install"]
        packages = [f"{first.package}@{first.version}"]
    says = dict.fromkeys(what for program in programs for what in program.says)  # of another program it says nothing
    command += ["-v", *golang.FLAGS, "-ldflags", " ".join(["-s -w", *(f"-X {what}" for what in says)]), *packages]
    with subprocess.Popen(
        command,
        cwd=paths.REPOSITORY / GO_MODULES / first.module if first.module else folder,
        env={**golang.environment(), "CGO_ENABLED": "0", "GOBIN": str(folder), "GOWORK": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as building:
        output = list[str]()
        compiled = 0
        for line in building.stdout or ():
            output.append(line.rstrip())
            if line.startswith("go: "):
                say(line.strip().removeprefix("go: "))
            else:
                compiled += 1
                say(f"{compiled} of about {first.steps} packages" if compiled <= first.steps else "linking")
    if building.returncode:
        said = [line for line in output if " " in line]  # else it is the name of a package
        raise LocalError(f"{names} could not be built:\n" + "\n".join(said[-SHOWN_LINES:]))
    for program in programs:
        (folder / program.go_name).rename(folder / program.name)
