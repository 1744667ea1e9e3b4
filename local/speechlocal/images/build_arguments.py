"""Build arguments that let a build on this machine reach a package index: pip's index settings and the proxies."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# pip's settings for an index; the Dockerfiles declare the environment variables of the same names.
INDEXES = ("index-url", "extra-index-url")
# Docker accepts these without an ARG line, and keeps them out of the image and of the cache key.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
ASK_TIMEOUT_S = 30.0


def build_arguments(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the build arguments for this machine; empty if it reaches the public index directly."""
    proxies = {name: environment[name] for name in PROXIES if environment.get(name)}
    return {**proxies, **python_indexes()}


def python_indexes() -> dict[str, str]:
    """Return the package indexes configured for pip on this machine, as pip's environment variables."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=False, capture_output=True, text=True, timeout=ASK_TIMEOUT_S)
    return indexes_in(listed.stdout)


def indexes_in(listed: str) -> dict[str, str]:
    """Return the indexes in the output of `pip config list`; later lines win, as they do in pip (`:env:` is last)."""
    found = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        setting, _, value = line.partition("=")
        name = setting.rpartition(".")[2]
        if name in INDEXES:
            found[f"PIP_{name.upper().replace('-', '_')}"] = value.strip("'\"")
    return found
