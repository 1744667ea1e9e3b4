"""Budgets for the bytes that all requests hold together: in memory, and on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from speechbridge.errors import Problem


class ByteBudget:
    """Limits the bytes that are held at a time.

    Args:
        limit: Bytes.
        what: What is exhausted, for the client, such as `The memory for requests`.
        retry_after: Seconds after which a rejected request may try again.

    Attributes:
        used: Bytes taken and not given back.
    """

    def __init__(self, limit: int, what: str, *, retry_after: int) -> None:
        self.limit = limit
        self.used = 0
        self._what = what
        self._retry_after = retry_after

    def try_take(self, size: int) -> bool:
        """Take `size` bytes; return False, and take none, if fewer are left."""
        if self.used + size > self.limit:
            return False
        self.used += size
        return True

    def take(self, size: int) -> None:
        """Take `size` bytes.

        Raises:
            Problem: `overloaded`: fewer are left.
        """
        if not self.try_take(size):
            raise self.exhausted()

    def exhausted(self) -> Problem:
        """Return what a client is told when too little is left."""
        return Problem(
            "overloaded",
            f"{self._what} is exhausted; try again in {self._retry_after} s.",
            retry_after=self._retry_after,
        )

    def give(self, size: int) -> None:
        """Give `size` bytes back."""
        self.used -= size

    def held(self) -> Share:
        """Return a share, empty at first, for the duration of a block (`with`)."""
        return Share(self)


class Share:
    """What one request holds of a budget; given back by `close`, or after a block.

    Attributes:
        size: Bytes.
    """

    def __init__(self, budget: ByteBudget) -> None:
        self.size = 0
        self._budget = budget

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give it back."""
        self._budget.give(self.size)
        self.size = 0

    @property
    def limit(self) -> int:
        """The limit of the whole budget in bytes."""
        return self._budget.limit

    def grow_to(self, size: int) -> None:
        """Hold at least `size` bytes; raises Problem `overloaded` if too few are left."""
        if size > self.size:
            self._budget.take(size - self.size)
            self.size = size


@dataclass(frozen=True)
class Budgets:
    """The budgets of a bridge."""

    memory: ByteBudget
    disk: ByteBudget
