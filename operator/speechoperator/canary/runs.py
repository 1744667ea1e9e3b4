"""The canary requests of all pipelines: in the background, a few at a time, one per pipeline."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from speechoperator.canary.request import Measured, request
from speechoperator.plan.snapshot import Canary
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from speechoperator.kube.objects import Key
    from speechoperator.plan.actions import StartCanary

_CONCURRENCY = 8
_MAX_TURN_S = 60.0
"""Seconds after which a canary that has no answer yet no longer counts: one that hangs must not hold up the others."""


class Canaries:
    """Runs canary requests. Not thread-safe.

    Args:
        changed: Called with the pipeline whose canary has ended.
        clock: Returns the time, in UTC.
        send: Sends one to the bridge at a base URL.
    """

    def __init__(
        self,
        changed: Callable[[Key], None],
        clock: Callable[[], datetime],
        send: Callable[[str], Awaitable[Measured]] = request,
    ) -> None:
        self._changed, self._clock, self._send = changed, clock, send
        self._found: dict[Key, Canary] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(_CONCURRENCY)

    def of(self, key: Key) -> Canary | None:
        """Return the canary of a pipeline, None if there was none."""
        return self._found.get(key)

    def start(self, key: Key, action: StartCanary) -> None:
        """Start a canary; one of an older version is cancelled."""
        self._cancel(key)
        before = self._found.get(key)
        if before is None or before.version != action.version:
            before = Canary(action.version)
        self._found[key] = replace(before, running=True)
        self._tasks[key] = asyncio.create_task(self._run(key, action))

    def forget(self, key: Key) -> None:
        """Stop and forget the canary of a pipeline."""
        self._cancel(key)
        self._found.pop(key, None)

    def close(self) -> None:
        """Stop all canaries."""
        for key in list(self._tasks):
            self.forget(key)

    def _cancel(self, key: Key) -> None:
        if task := self._tasks.pop(key, None):
            task.cancel()

    async def _run(self, key: Key, action: StartCanary) -> None:
        try:
            measured = await self._sent(action.url)
        except Exception:  # noqa: BLE001 - a bug in the operator: the pipeline must not wait for its canary
            logs.exception("canary request failed")
            measured = Measured("the operator failed to send it; see its log")
        before = self._found[key]
        log = logs.warning if measured.error else logs.debug
        log("canary ended", namespace=key.namespace, name=key.name, error=measured.error, seconds=measured.total_s)
        self._found[key] = Canary(
            action.version,
            ended=self._clock(),
            error=measured.error,
            timed_out=measured.timed_out,
            failures=before.failures + 1 if measured.error else 0,
            whisper_s=measured.whisper_s,
            llm_s=measured.llm_s,
            total_s=measured.total_s,
        )
        self._tasks.pop(key, None)
        self._changed(key)

    async def _sent(self, url: str) -> Measured:
        """Send a canary when it is its turn, which ends after some time whether there is an answer or not."""
        async with self._turns:
            sending = asyncio.ensure_future(self._send(url))
            try:
                await asyncio.wait({sending}, timeout=_MAX_TURN_S)
            except asyncio.CancelledError:
                sending.cancel()
                raise
        return await sending
