"""Programs that Debian packages install; `make test` installs the packages."""

import os
import shutil
from pathlib import Path

import pytest

from speechlocal import debian


def installed(name: str, package: debian.Package) -> Path:
    """Return the path of a program; where it is missing: skip, in CI failure."""
    if found := shutil.which(name):
        return Path(found)
    why = f"{name} is not on this machine; apt-get install {package.name}"
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
