"""Budgets for the bytes that all requests hold together: in memory, and on disk.

Where API keys are required, each of them may hold at most three times what is left. So one key gets up to three
quarters, two get three sevenths each, and however many there are, something is left for one that holds nothing. No
quota has to be set, and nobody needs to know who else is active. Source: A. K. Choudhury and E. L. Hahne, "Dynamic
queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on Networking 6(2), 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from weakref import WeakValueDictionary

from speechbridge.errors import Problem

_TIMES_WHAT_IS_LEFT = 3


class ByteBudget:
    """Limits the bytes that are held at a time.

    Args:
        limit: Bytes.
        what: What is exhausted, for the client, such as `The memory for requests`.
        retry_after: Seconds after which a rejected request may try again.
        whole: The budget of all callers, of which this is one caller's part; None if this is it.

    Attributes:
        used: Bytes taken and not given back.
    """

    def __init__(self, limit: int, what: str, *, retry_after: int, whole: ByteBudget | None = None) -> None:
        self.limit = limit
        self.used = 0
        self._what = what
        self._retry_after = retry_after
        self._whole = whole
        self._parts: WeakValueDictionary[str, ByteBudget] = WeakValueDictionary()  # kept by those who hold some of it

    def of(self, caller: str) -> ByteBudget:
        """Return what one caller may hold of this budget; all of it if the caller is unknown, since keys are off."""
        if not caller:
            return self
        part = self._parts.get(caller)
        if part is None:
            limit = self.limit * _TIMES_WHAT_IS_LEFT // (_TIMES_WHAT_IS_LEFT + 1)
            part = ByteBudget(limit, self._what, retry_after=self._retry_after, whole=self)
            self._parts[caller] = part
        return part

    def is_below(self, part: float) -> bool:
        """Return whether all callers together hold less than this part (0 to 1) of the whole budget."""
        whole = self._whole or self
        return whole.used < whole.limit * part

    def try_take(self, size: int) -> bool:
        """Take `size` bytes; return False, and take none, if fewer are left, or if the caller has its share."""
        if self._whole is None:
            fits = self.used + size <= self.limit
        else:
            left = self._whole.limit - self._whole.used - size
            fits = self.used + size <= _TIMES_WHAT_IS_LEFT * left and self._whole.try_take(size)
        if fits:
            self.used += size
        return fits

    def take(self, size: int) -> None:
        """Take `size` bytes.

        Raises:
            Problem: `overloaded`, as `try_take`.
        """
        if not self.try_take(size):
            raise self._problem(self._what if self._whole is None else f"This API key's share of {_lower(self._what)}")

    def exhausted(self) -> Problem:
        """Return what a client is told when too little is left for anyone."""
        return self._problem(self._what)

    def _problem(self, what: str) -> Problem:
        return Problem(
            "overloaded",
            f"{what} is exhausted; try again in {self._retry_after} s.",
            retry_after=self._retry_after,
        )

    def give(self, size: int) -> None:
        """Give `size` bytes back."""
        self.used -= size
        if self._whole is not None:
            self._whole.give(size)

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
        """The limit of the budget in bytes."""
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

    def of(self, caller: str) -> Budgets:
        """Return what one caller may hold of them; see `ByteBudget.of`."""
        return Budgets(self.memory.of(caller), self.disk.of(caller)) if caller else self


def _lower(what: str) -> str:
    return f"{what[:1].lower()}{what[1:]}"
