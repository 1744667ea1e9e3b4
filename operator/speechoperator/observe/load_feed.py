"""Follows the load of pipelines: one stream of `/load` for each running bridge and Whisper pod, on the leader only.

Nothing happens per second: a stream costs a connection and a sleeping task, and a pipeline is queued only when a report
has changed, at most once a second, or at once when a bridge begins to hold requests.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from speechoperator.observe.load_reports import BridgeReport, Heard
from speechoperator.observe.load_stream import LoadStreamError, NotReportedError
from speechoperator.plan.scaling.load import STALE_AFTER_S, Report
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from speechoperator.kube.objects import Key
    from speechoperator.observe.load_reports import Reporting

_MIN_INTERVAL_S = 1.0
"""Between two reconciles of a pipeline because of its load, unless a bridge begins to hold requests."""
_RETRY_MIN_S, _RETRY_MAX_S = 1.0, 30.0
"""Seconds until a broken stream is opened again; doubles with each consecutive failure."""
_ASK_AGAIN_S = 60.0
"""Seconds until a pod without `/load` is asked again: its container may have been replaced."""
_JITTER_SHARE = 0.25


class Streams(Protocol):
    """Opens streams: `LoadClient`."""

    def events(self, url: str) -> AsyncGenerator[Mapping[str, Any] | None]:
        """Yield the objects of the stream of a pod, None for a sign of life."""


class Source(NamedTuple):
    """A running pod whose load is followed.

    Attributes:
        component: Its component.
        pod: Its name.
        uid: Its uid.
        url: Its base URL.
        ready: Whether it is ready.
        load: Whether its load matters; of a bridge whose load does not, only the list of models is followed.
    """

    component: Reporting
    pod: str
    uid: str
    url: str
    ready: bool
    load: bool = True


@dataclass(eq=False, slots=True)
class _Stream:
    """A stream of one pod.

    Attributes:
        source: The pod.
        asked_since: When it was first asked, or became ready since.
        at_once: Set to open the stream now.
        task: What reads it.
        report: The latest report, with all that it says: what of it matters may change.
        heard_at: When anything was last received.
        reports: Whether the pod has `/load`, as far as known.
    """

    source: Source
    asked_since: float
    at_once: asyncio.Event
    task: asyncio.Task[None] | None = None
    report: Report | BridgeReport | None = None
    heard_at: float | None = None
    reports: bool = True


class LoadFeed:
    """Follows the pods of all pipelines. Not thread-safe.

    Args:
        client: Opens streams.
        queue: Called with a pipeline whose load has changed, and the seconds after which it is to be reconciled.
        limit: Maximum number of streams. The load of pods beyond it is unknown.
        jitter: Returns a number from 0 to 1. Delays are up to a quarter longer, so that not all streams to a pod that
            restarts, or of an operator that does, are opened at the same time.
    """

    def __init__(
        self,
        client: Streams,
        queue: Callable[[Key, float], None],
        limit: int,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._queue = queue
        self._limit = limit
        self._jitter = jitter
        self._streams: dict[Key, dict[tuple[str, str], _Stream]] = {}
        self._count = 0
        self._due: dict[Key, float] = {}
        self._at_limit = False

    def __len__(self) -> int:
        """Return how many pods are followed."""
        return self._count

    def follow(self, key: Key, sources: Iterable[Source]) -> tuple[Heard, ...]:
        """Follow exactly these pods of a pipeline; return what is known of each."""
        wanted = {(source.uid, source.url): source for source in sources}
        streams = self._streams.setdefault(key, {})
        for identity in streams.keys() - wanted.keys():
            self._stop(streams.pop(identity))
        for identity in wanted.keys() & streams.keys():
            self._update(streams[identity], wanted[identity])
        for identity, source in wanted.items():
            if identity not in streams and self._has_room(source):
                streams[identity] = self._start(key, source)
        if not streams:
            self.forget(key)
        return tuple(_heard(source, streams.get(identity)) for identity, source in wanted.items())

    def forget(self, key: Key) -> None:
        """Stop following the pods of a pipeline."""
        for stream in self._streams.pop(key, {}).values():
            self._stop(stream)
        self._due.pop(key, None)

    def close(self) -> None:
        """Stop following all pods."""
        for key in list(self._streams):
            self.forget(key)

    def _has_room(self, source: Source) -> bool:
        """Return whether one more pod can be followed: one whose load matters takes the place of one whose does not."""
        room = self._count < self._limit or (source.load and self._make_room())
        if source.load:
            if not room and not self._at_limit:
                logs.warning("the load of some pods is not followed: raise MAX_LOAD_STREAMS", limit=self._limit)
            self._at_limit = not room
        return room

    def _make_room(self) -> bool:
        for streams in self._streams.values():
            for identity, stream in streams.items():
                if not stream.source.load:
                    self._stop(streams.pop(identity))
                    return True
        return False

    @staticmethod
    def _update(stream: _Stream, source: Source) -> None:
        if source.ready and not stream.source.ready:
            stream.asked_since = _now()
            stream.at_once.set()  # it may have refused connections until now
        stream.source = source

    def _start(self, key: Key, source: Source) -> _Stream:
        stream = _Stream(source, _now(), asyncio.Event())
        stream.task = asyncio.create_task(self._run(key, stream), name=f"load of {source.pod}")
        self._count += 1
        return stream

    def _stop(self, stream: _Stream) -> None:
        self._count -= 1
        if stream.task:
            stream.task.cancel()

    async def _run(self, key: Key, stream: _Stream) -> None:
        failures = 0
        while True:
            stream.at_once.clear()
            delay = min(_RETRY_MAX_S, _RETRY_MIN_S * 2.0**failures)
            try:
                async with aclosing(self._client.events(stream.source.url)) as events:
                    async for members in events:
                        stream.heard_at = _now()
                        if members is not None:
                            failures, delay = 0, _RETRY_MIN_S
                            self._adopt(key, stream, members)
            except NotReportedError:
                delay = _ASK_AGAIN_S
                self._give_up(key, stream)
            except LoadStreamError as error:
                failures = min(failures + 1, 10)
                logs.debug("stream of /load failed", pod=stream.source.pod, reason=str(error), retry_in_s=delay)
            except Exception:  # noqa: BLE001 - a bug in the operator: the load becomes unknown, and it is tried again
                failures = min(failures + 1, 10)
                logs.exception("stream of /load failed unexpectedly")
            await self._pause(stream, delay * (1 + _JITTER_SHARE * self._jitter()))

    async def _pause(self, stream: _Stream, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stream.at_once.wait()

    def _adopt(self, key: Key, stream: _Stream, members: Mapping[str, Any]) -> None:
        before = _relevant(stream)
        stream.report, stream.reports = _parsed(stream.source, members), True
        report = _relevant(stream)
        if report != before:
            self._changed(key, at_once=_holds(report) and not _holds(before))

    def _give_up(self, key: Key, stream: _Stream) -> None:
        if stream.reports:
            stream.report, stream.reports = None, False
            self._changed(key, at_once=False)

    def _changed(self, key: Key, *, at_once: bool) -> None:
        """Queue a pipeline, unless that is due already: the reconcile then sees the latest reports."""
        now = _now()
        due = self._due.get(key, float("-inf"))
        if at_once:
            self._due[key] = now
        elif due <= now:
            self._due[key] = max(now, due + _MIN_INTERVAL_S)
        # Also if it is due already: a reconcile for another reason cancels the timer of the queue.
        self._queue(key, self._due[key] - now)


def _parsed(source: Source, members: Mapping[str, Any]) -> Report | BridgeReport:
    return BridgeReport.parse(members) if source.component == "bridge" else Report.parse(members)


def _relevant(stream: _Stream) -> Report | BridgeReport | None:
    """Return the part of the latest report that matters."""
    report = stream.report
    return report.without_load if isinstance(report, BridgeReport) and not stream.source.load else report


def _holds(report: Report | BridgeReport | None) -> bool:
    return isinstance(report, BridgeReport) and report.holds


def _heard(source: Source, stream: _Stream | None) -> Heard:
    if stream is None:
        return Heard(source.component, source.pod, source.ready)
    now, report = _now(), _relevant(stream)
    age = None if stream.heard_at is None else now - stream.heard_at
    awaited = report is None and stream.reports and now - stream.asked_since <= STALE_AFTER_S
    return Heard(source.component, source.pod, source.ready, report, age, stream.reports, awaited)


def _now() -> float:
    return asyncio.get_running_loop().time()
