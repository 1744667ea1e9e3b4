"""Whether published images can be had: asked of the container registries themselves, answered in seconds."""

from __future__ import annotations

import functools
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

# The registries of Debian and kind's node image, and of metrics-server; /v2/ is the question that each must answer
# (OCI distribution specification, "Determining Support").
REGISTRIES = ("https://registry-1.docker.io/v2/", "https://registry.k8s.io/v2/")
WITHIN_S = 4.0
UNAUTHORIZED = 401


@functools.cache
def answer() -> bool:
    """Tell whether all the registries answer; asked once per run."""
    with ThreadPoolExecutor() as asking:
        return all(asking.map(answers, REGISTRIES))


def answers(address: str, within_s: float = WITHIN_S) -> bool:
    """Tell whether a container registry answers at an address, and not some proxy in its stead."""
    try:
        with urllib.request.urlopen(address, timeout=within_s) as said:  # noqa: S310 - one of REGISTRIES
            headers = said.headers
    except urllib.error.HTTPError as error:
        with error:
            if error.code != UNAUTHORIZED:
                return False
            headers = error.headers
    except (OSError, ValueError):
        return False
    return "registry/2.0" in headers.get("Docker-Distribution-Api-Version", "")
