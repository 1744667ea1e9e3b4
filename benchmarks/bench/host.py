"""Limits of the host: open files of the bridge, and connections that wait to be accepted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import host_connections
from bench.host_connections import CLIENTS
from bench.report import Figure, Section
from bench.subjects import NotThereError

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(say: Callable[[str], None]) -> Section:
    """Run `host_connections` in a network namespace of its own, whose `somaxconn` can be changed.

    Raises:
        NotThereError: this user may not create one.
    """
    say(f"host: {CLIENTS} clients at a time")
    command = ["unshare", "--net", sys.executable, host_connections.__file__]
    path = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NotThereError(f"needs root: {(done.stderr.strip().splitlines() or ['unshare failed'])[-1]}")
    return Section(
        f"Host: {CLIENTS} clients connect at once",
        figures=[Figure(**figure) for figure in json.loads(done.stdout)],
    )
