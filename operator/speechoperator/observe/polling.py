"""Background polling of what cannot be watched: a reconcile never waits for a pod or for an external service.

A reconcile reads the latest result. If that is too old, it is polled again in the background; if the new result is
different, the pipeline is queued. What fails is polled less often the longer it has been failing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from speechoperator.kube.objects import Key

T = TypeVar("T")

_RETRY_MIN_S, _RETRY_MAX_S, _RETRY_SHARE = 2.0, 30.0, 0.25
"""Seconds until a failing target is polled again: a share of the time for which it has been failing, within limits."""
_TIMER_SLACK_S = 0.05
"""Seconds by which a timer may fire early and still count as on time."""


class Target(NamedTuple):
    """What is polled: the topic, and the identity of the object or service."""

    topic: str
    identity: str


@dataclass(frozen=True, slots=True)
class Polled(Generic[T]):
    """The latest result of a poll.

    Attributes:
        result: The result, None before the first one.
        due: Seconds until the next poll, None before the first one has ended.
    """

    result: T | None = None
    due: float | None = None


@dataclass(slots=True)
class _Poll:
    fetch: Callable[[], Awaitable[Any]]
    failed: Callable[[Any], bool]
    version: str
    ended: bool = False
    has_result: bool = False
    result: Any = None
    at: float = 0.0
    failing_since: float | None = None
    task: asyncio.Task[None] | None = None


class Poller:
    """Polls for all pipelines. Not thread-safe.

    Args:
        changed: Called with the pipeline whose result has changed.
    """

    def __init__(self, changed: Callable[[Key], None]) -> None:
        self._changed = changed
        self._polls: defaultdict[Key, dict[Target, _Poll]] = defaultdict(dict)

    def latest(
        self,
        key: Key,
        target: Target,
        fetch: Callable[[], Awaitable[T]],
        max_age: Callable[[T], float],
        failed: Callable[[T], bool] = lambda _: False,
        version: str = "",
    ) -> Polled[T]:
        """Return the latest result, and start a poll if there is none or it is too old.

        Args:
            key: The pipeline.
            target: What is polled; there is at most one poll of it at a time.
            fetch: Polls once. It returns expected failures as results.
            max_age: Seconds for which a result that is no failure is valid.
            failed: Whether a result is a failure.
            version: The state of the target as far as it is known otherwise; with another one, it is polled at once.
        """
        poll = self._polls[key].setdefault(target, _Poll(fetch, failed, version))
        poll.fetch, poll.failed = fetch, failed
        if not poll.ended:
            self._start(key, poll)
            return Polled()
        result: T | None = poll.result
        interval = max_age(poll.result) if poll.failing_since is None else _retry_interval(poll.at - poll.failing_since)
        left = poll.at + interval - _now()
        if left > _TIMER_SLACK_S and poll.version == version:
            return Polled(result, left)
        if not self._start(key, poll):
            return Polled(result, min(interval, _RETRY_MIN_S))  # one is running; it may show the version before
        poll.version = version
        return Polled(result, interval)

    async def refresh(self, key: Key, topic: str) -> None:
        """Poll all targets of a topic now, and wait for the results."""
        polls = [poll for target, poll in self._polls.get(key, {}).items() if target.topic == topic]
        await asyncio.gather(*(self._fetch(key, poll) for poll in polls))

    def retain(self, key: Key, targets: Collection[Target]) -> None:
        """Stop polling everything for a pipeline except these targets."""
        for target in [target for target in self._polls.get(key, {}) if target not in targets]:
            self._stop(self._polls[key].pop(target))
        if not self._polls.get(key):
            self._polls.pop(key, None)

    def forget(self, key: Key) -> None:
        """Stop polling for a pipeline."""
        self.retain(key, ())

    def close(self) -> None:
        """Stop polling."""
        for key in list(self._polls):
            self.forget(key)

    def _start(self, key: Key, poll: _Poll) -> bool:
        """Start a poll unless one is running; return whether it was started."""
        if poll.task and not poll.task.done():
            return False
        poll.task = asyncio.create_task(self._fetch(key, poll))
        return True

    async def _fetch(self, key: Key, poll: _Poll) -> None:
        try:
            result = await poll.fetch()
        except Exception:  # noqa: BLE001 - a bug in the operator: keep the result before, and poll again
            logs.exception("background poll failed")
            failed, changed = True, not poll.ended
        else:
            failed, changed = poll.failed(result), not poll.has_result or result != poll.result
            poll.has_result, poll.result = True, result
        poll.ended, poll.at = True, _now()
        poll.failing_since = (poll.failing_since or poll.at) if failed else None
        if changed:
            self._changed(key)

    @staticmethod
    def _stop(poll: _Poll) -> None:
        if poll.task:
            poll.task.cancel()


@dataclass(slots=True)
class Polls:
    """The polls of one reconcile: what it read, and when it has to read again.

    Attributes:
        poller: Polls in the background.
        key: The pipeline.
        due: Seconds until the first of the results is outdated, None if there is none.
        complete: Whether all required targets have been polled once.
    """

    poller: Poller
    key: Key
    due: float | None = None
    complete: bool = True
    _targets: set[Target] = field(default_factory=set)

    def latest(
        self,
        target: Target,
        fetch: Callable[[], Awaitable[T]],
        max_age: Callable[[T], float],
        *,
        failed: Callable[[T], bool] = lambda _: False,
        version: str = "",
        required: bool = True,
    ) -> T | None:
        """Return the latest result, None before the first one. For the arguments see `Poller.latest`."""
        self._targets.add(target)
        polled = self.poller.latest(self.key, target, fetch, max_age, failed, version)
        self.within(polled.due)
        self.complete = self.complete and (polled.due is not None or not required)
        return polled.result

    def within(self, seconds: float | None) -> None:
        """Read again after so many seconds, if not before."""
        waits = [wait for wait in (self.due, seconds) if wait is not None]
        self.due = min(waits, default=None)

    def retain(self) -> None:
        """Stop polling what this reconcile did not read."""
        self.poller.retain(self.key, self._targets)


def _retry_interval(failing_for: float) -> float:
    return min(_RETRY_MAX_S, max(_RETRY_MIN_S, failing_for * _RETRY_SHARE))


def _now() -> float:
    return asyncio.get_running_loop().time()
