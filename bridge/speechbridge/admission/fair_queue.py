"""The order of queued requests: the callers share the turns, and each caller's requests keep their order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Queues items by caller.

    The next item is one of the caller with the fewest requests in progress; among equals, of the one served least
    recently. With a single caller this is first come, first served.

    Attributes:
        size: How many items it has, of all callers; as `len`, but without a call.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[T]] = {}  # never empty lines; the caller served least recently is first
        self.size = 0

    def __len__(self) -> int:
        return self.size

    def count(self, caller: str) -> int:
        """Return how many items a caller has here."""
        return len(self._lines.get(caller, ()))

    def push(self, caller: str, item: T, *, first: bool = False) -> None:
        """Add an item at the end of its caller's line, or at its start."""
        line = self._lines.setdefault(caller, deque())
        if first:
            line.appendleft(item)
        else:
            line.append(item)
        self.size += 1

    def pop(self, in_progress: Mapping[str, int]) -> tuple[str, T]:
        """Remove the next item; return its caller and the item.

        Args:
            in_progress: How many requests of each caller are in progress.

        Raises:
            LookupError: The queue is empty.
        """
        if not self._lines:
            message = "the queue is empty"
            raise LookupError(message)
        caller = min(self._lines, key=lambda caller: in_progress.get(caller, 0))  # the first of equals
        line = self._lines.pop(caller)
        item = line.popleft()
        if line:
            self._lines[caller] = line
        self.size -= 1
        return caller, item

    def may_displace(self, caller: str) -> bool:
        """Return whether another caller has more here than this one would have."""
        return max(map(len, self._lines.values()), default=0) > self.count(caller) + 1

    def displace(self) -> T:
        """Remove and return the last item of the longest line."""
        caller = max(self._lines, key=lambda caller: len(self._lines[caller]))
        item = self._lines[caller][-1]
        self.remove(caller, item)
        return item

    def remove(self, caller: str, item: T) -> bool:
        """Remove an item; return whether it was here."""
        line = self._lines.get(caller)
        if line is None or item not in line:
            return False
        line.remove(item)
        if not line:
            del self._lines[caller]
        self.size -= 1
        return True
