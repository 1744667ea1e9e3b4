"""What a build must know of this machine to reach a package index: Python's index settings and the proxies."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# pip's settings that name an index, as pip calls them; the Dockerfiles declare the variables of the same names.
INDEXES = ("index-url", "extra-index-url")
# Arguments that Docker knows without an ARG line, and keeps out of the image and of the cache's key.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
ASK_TIMEOUT_S = 30.0


def build_arguments(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the arguments of a build on this machine; empty where it reaches the public index directly."""
    proxies = {name: environment[name] for name in PROXIES if environment.get(name)}
    return {**proxies, **python_indexes()}


def python_indexes() -> dict[str, str]:
    """Return where pip on this machine looks for packages, if it was told, as variables for pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    asked = subprocess.run(command, check=False, capture_output=True, text=True, timeout=ASK_TIMEOUT_S)
    return indexes_in(asked.stdout)


def indexes_in(listed: str) -> dict[str, str]:
    """Return the indexes in what `pip config list` said; later lines win, as they do for pip (`:env:` is last)."""
    found = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        setting, _, value = line.partition("=")
        name = setting.rpartition(".")[2]
        if name in INDEXES:
            found[f"PIP_{name.upper().replace('-', '_')}"] = value.strip("'\"")
    return found
