"""Whether published images can be pulled: the container registries are probed, which takes seconds at most."""

from __future__ import annotations

import functools
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

# The registries of Debian and kind's node image, and of metrics-server. Each must answer /v2/ (OCI distribution
# specification, "Determining Support").
REGISTRIES = ("https://registry-1.docker.io/v2/", "https://registry.k8s.io/v2/")
TIMEOUT_S = 4.0
UNAUTHORIZED = 401


@functools.cache
def answer() -> bool:
    """Return whether all the registries answer; they are probed once per process."""
    with ThreadPoolExecutor() as pool:
        return all(pool.map(answers, REGISTRIES))


def answers(address: str, timeout_s: float = TIMEOUT_S) -> bool:
    """Return whether a container registry answers at an address, and not a proxy in its place."""
    try:
        with urllib.request.urlopen(address, timeout=timeout_s) as response:  # noqa: S310 - one of REGISTRIES
            headers = response.headers
    except urllib.error.HTTPError as error:
        with error:
            if error.code != UNAUTHORIZED:
                return False
            headers = error.headers
    except (OSError, ValueError):
        return False
    return "registry/2.0" in headers.get("Docker-Distribution-Api-Version", "")
