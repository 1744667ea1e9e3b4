"""Decides which blocks are decoded next: a queue without threads or clocks.

Requests take turns. A request whose first block waits comes first, so an hour-long file never delays a short command.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence


class Item(Protocol):
    """A block in the queue."""

    @property
    def owner(self) -> object:
        """Its request."""

    @property
    def group(self) -> Hashable:
        """What blocks in one batch have in common; None for a block that is decoded alone."""


I = TypeVar("I", bound=Item)  # noqa: E741 - a type variable


@dataclass(slots=True)
class _Line(Generic[I]):
    """The blocks of one request, and its last turn; 0 before the first."""

    items: deque[I] = field(default_factory=deque)
    turn: int = 0
    before: int = 0
    """The turn before the last one."""


class FairQueue(Generic[I]):
    """The blocks that wait, by request.

    Args:
        size: Largest number of blocks in a batch.
        share: Largest number of blocks of one request in a batch while other requests wait.
        share_alone: The same while none does.
    """

    def __init__(self, size: int, share: int, share_alone: int) -> None:
        self.size = size
        self._share = share
        self._share_alone = share_alone
        self._lines: dict[int, _Line[I]] = {}
        self._turn = 0

    def __len__(self) -> int:
        return sum(len(line.items) for line in self._lines.values())

    def add(self, item: I, *, first: bool = False, keep_turn: bool = False) -> None:
        """Add a block.

        Args:
            item: The block.
            first: Whether it comes before the others of its request, rather than behind them.
            keep_turn: With `first`, whether the last turn of its request counts, so that others are served before it.
        """
        line = self._lines.setdefault(id(item.owner), _Line())
        if first:
            line.items.appendleft(item)
            if not keep_turn:
                line.turn = line.before
        else:
            line.items.append(item)

    def discard(self, owner: object) -> list[I]:
        """Remove the blocks of a request, whose turns are forgotten; return them."""
        line = self._lines.pop(id(owner), None)
        return [] if line is None else list(line.items)

    @property
    def has_new(self) -> bool:
        """Whether a request waits of which nothing was decoded yet."""
        return any(map(_is_new, self._lines.values()))

    def take(self, batch: Sequence[I] = (), *, only_new: bool = False, size: int | None = None) -> list[I]:
        """Remove and return the blocks to decode next.

        Args:
            batch: Blocks taken before; others that fit into the same batch are returned.
            only_new: Whether only first blocks of requests are taken, and none that is decoded alone.
            size: Largest number of blocks in this batch, if it is less than usual; the shares are less accordingly.
        """
        size = self.size if size is None else size
        lines = [line for line in self._lines.values() if line.items and (not only_new or _is_new(line))]
        waiting = sorted(lines, key=lambda line: line.turn)
        if not waiting or len(batch) >= size or (batch and batch[0].group is None):
            return []
        group = batch[0].group if batch else waiting[0].items[0].group
        taken: list[I] = []
        if group is None:
            taken.append(self._next(waiting[0]))
            return taken
        counts: dict[int, int] = {}
        for item in batch:
            counts[id(item.owner)] = counts.get(id(item.owner), 0) + 1
        requests = counts.keys() | {id(line.items[0].owner) for line in waiting}
        share = max(1, (self._share if len(requests) > 1 else self._share_alone) * size // self.size)
        progress = True
        while progress and len(batch) + len(taken) < size:
            progress = False
            for line in waiting:
                if not line.items or line.items[0].group != group or len(batch) + len(taken) == size:
                    continue
                owner = id(line.items[0].owner)
                if counts.get(owner, 0) >= share:
                    continue
                counts[owner] = counts.get(owner, 0) + 1
                taken.append(self._next(line))
                progress = True
        return taken

    def _next(self, line: _Line[I]) -> I:
        self._turn += 1
        line.before, line.turn = line.turn, self._turn
        return line.items.popleft()


def _is_new(line: _Line[I]) -> bool:
    return bool(line.items) and not line.turn and line.items[0].group is not None
