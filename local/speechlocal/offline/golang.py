"""Go: how programs are built here, and the sources of modules."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from speechlocal.errors import LocalError

FLAGS = ("-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false")
"""Nobody debugs what is built here. The same flags everywhere: what programs have in common is compiled once."""


def environment() -> dict[str, str]:
    """Return the environment to build in: Go's compiler is a fifth faster when it may use up to 1 GB a core."""
    return {"GOGC": "400", **os.environ}


def downloaded(module: str) -> Path:
    """Return the folder with a Go module's source, fetched when it is not there yet, or raise LocalError."""
    asked = subprocess.run(["go", "mod", "download", "-json", module], check=False, capture_output=True, text=True)
    answer = json.loads(asked.stdout or "{}")
    if asked.returncode or "Dir" not in answer:
        raise LocalError(f"the Go module {module} could not be downloaded: {answer.get('Error') or asked.stderr}")
    return Path(answer["Dir"])


def version() -> tuple[int, ...]:
    """Return the version of `go` on PATH, such as (1, 26)."""
    said = subprocess.run(["go", "env", "GOVERSION"], check=False, capture_output=True, text=True).stdout
    numbers = said.strip().removeprefix("go").split(".")[:2]
    return tuple(int(part) for part in numbers if part.isdecimal())
