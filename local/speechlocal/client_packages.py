"""Clients that others wrote, for the tests: packages of Python and Node in the cache, as `tests/clients` pins them.

They have an environment of their own, since their dependencies would exclude ours.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from speechlocal import locks, node_packages, paths
from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from speechlocal.progress import Report

SOURCE = paths.REPOSITORY / "tests" / "clients"
REQUIREMENTS = SOURCE / "requirements.txt"
PACKAGE = SOURCE / "node" / "package.json"
LOCK = SOURCE / "node" / "package-lock.json"

NEEDED_BY = (
    "the tests of clients that others wrote (tests/clients), of the dashboards' schema, "
    "and of the playground's accessibility"
)
ADVICE = "run `python -m speechlocal prepare`, which installs them"

_COMPLETE = node_packages.COMPLETE
_SHOWN_LINES = 15


def python() -> Path:
    """Return the interpreter that can import the Python clients.

    Raises:
        MissingError: They are not installed.
    """
    return _installed(_python_folder()) / "bin" / "python"


def node_modules() -> Path:
    """Return the folder with the clients for Node.

    Raises:
        MissingError: They are not installed.
    """
    return _installed(_node_folder()) / "node_modules"


def missing() -> bool:
    """Return whether some have to be installed."""
    return not all((folder / _COMPLETE).is_file() for folder in (_python_folder(), _node_folder()))


def install(report: Report) -> None:
    """Install what is missing; a second process waits for the first.

    Raises:
        MissingError: There is no Node on this machine.
        LocalError: The installation failed; the message has the end of its output.
    """
    with locks.held(paths.cache() / "clients.lock", lambda: report("waiting for another process")):
        if not (_python_folder() / _COMPLETE).is_file():
            report("clients for Python")
            _install_python(_python_folder())
        if not (_node_folder() / _COMPLETE).is_file():
            report("clients for Node")
            node_packages.install(PACKAGE.parent, _node_folder())


def _python_folder() -> Path:
    return paths.cache() / f"clients-python-{_digest(sys.version.encode(), REQUIREMENTS)}"


def _node_folder() -> Path:
    return paths.cache() / f"clients-node-{_digest(b'', PACKAGE, LOCK)}"


def _digest(data: bytes, *files: Path) -> str:
    digest = hashlib.sha256(data)
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _installed(folder: Path) -> Path:
    if not (folder / _COMPLETE).is_file():
        raise MissingError("the clients that others wrote are not installed", ADVICE)
    return folder


def _install_python(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv", path=f"{sys.prefix}/bin")
    interpreter = folder / "bin" / "python"
    _run([sys.executable, "-m", "venv", *(["--without-pip"] if uv else []), str(folder)])
    pip = [uv, "pip", "install", "--python", str(interpreter)] if uv else [str(interpreter), "-m", "pip", "install"]
    _run([*pip, "--quiet", "--requirement", str(REQUIREMENTS)])
    (folder / _COMPLETE).touch()


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise LocalError(f"the clients for the tests could not be installed: {' '.join(command)}\n{end}")
