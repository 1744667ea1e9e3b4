"""What an image takes from pyproject.toml: an extra's requirements, and the distribution's name and version.

    python3 distribution.py requirements EXTRA     prints the extra's requirements, one a line
    python3 distribution.py metadata FOLDER        writes the metadata that importlib.metadata looks for

Runs inside the builds, so with the standard library only. Going by these few lines, and not by pyproject.toml itself,
keeps the layer with the libraries when something else in that file changes.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any


def main(command: str, argument: str) -> None:
    """Run a command on the pyproject.toml in the current folder."""
    project: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    if command == "requirements":
        sys.stdout.writelines(f"{line}\n" for line in project["optional-dependencies"][argument])
    elif command == "metadata":
        folder = Path(argument) / f"{project['name']}-{project['version']}.dist-info"
        folder.mkdir(parents=True)
        text = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        (folder / "METADATA").write_text(text, encoding="utf-8")
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
