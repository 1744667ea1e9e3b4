"""Folders and files of this project: in the repository, and in the user's cache."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "speechpipeline"
EXAMPLE = REPOSITORY / "examples" / "speechpipeline.yaml"
RECORDINGS = REPOSITORY / "examples" / "audio"
CLUSTER = REPOSITORY / "local" / "cluster"
"""What is applied to the local cluster: add-ons, and the chart's values."""

OFFLINE = REPOSITORY / "local" / "offline"
"""The sources of programs and images that are built here if no container registry is reachable."""

CONTAINER_RUNTIME = OFFLINE / "node" / "runc"
"""A wrapper of runc for containers that request capabilities this machine's root does not have."""


def cache() -> Path:
    """Return the folder for what takes minutes to build; its entries are named by version and may be deleted."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechpipeline"
