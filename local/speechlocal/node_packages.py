"""Packages of Node, installed as a lock file pins them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from pathlib import Path

COMPLETE = "complete"
"""A file in the folder of a complete installation."""

_SHOWN_LINES = 15


def install(source: Path, folder: Path, *options: str) -> None:
    """Install what package.json and package-lock.json in `source` name into `folder`, unless it is complete.

    The lock file is written by `npm install --package-lock-only --omit-lockfile-registry-resolved`; `options` are for
    `npm ci`.

    Raises:
        MissingError: there is no npm on this machine.
        LocalError: npm failed; the message has the end of its output.
    """
    if (folder / COMPLETE).is_file():
        return
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError("npm was not found", "install Node 20 or newer, with npm")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *options, "--prefix", str(folder)]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise LocalError(f"packages of Node could not be installed: {' '.join(command)}\n{end}")
    (folder / COMPLETE).touch()
