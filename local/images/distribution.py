"""The parts of pyproject.toml that images use: the requirements of an extra, and the distribution's name and version.

    python3 distribution.py requirements EXTRA...     prints the requirements of the extras, one per line
    python3 distribution.py metadata FOLDER           writes the metadata that importlib.metadata reads

Runs inside the builds, so it has only the standard library. The layer with the libraries depends on this output, not on
pyproject.toml itself, so that it stays cached when other parts of that file change.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any


def main(command: str, *arguments: str) -> None:
    """Run a command on the pyproject.toml in the current folder."""
    project: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    if command == "requirements":
        extras = project["optional-dependencies"]
        sys.stdout.writelines(f"{line}\n" for extra in arguments for line in extras[extra])
    elif command == "metadata":
        folder = Path(arguments[0]) / f"{project['name']}-{project['version']}.dist-info"
        folder.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
