"""Folders this project uses on a machine."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDINGS = REPOSITORY / "examples" / "audio"


def cache() -> Path:
    """Return the folder for what takes minutes to make; everything in it is keyed by its version and may be deleted."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechpipeline"
