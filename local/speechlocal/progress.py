"""How long-running work reports its progress: through a function that takes one short line at a time."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]


def silent(_line: str) -> None:
    """Report nothing."""
