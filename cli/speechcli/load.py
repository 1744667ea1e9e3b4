"""A bounded load test of a bridge: a recording sent repeatedly by several clients.

Every response is streamed, so that the time to the first token is the one a user sees.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from speechcli.bridge_client import (
    REQUEST_TIMEOUT_S,
    Completed,
    Recording,
    ResponseDelta,
    TranscriptDelta,
    authorization,
    process,
)
from speechcli.errors import RequestError
from speechcli.load_report import Outcome, Report, report
from speechcli.localhost import connector
from speechcli.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 10.0
"""A client waits after a failure, twice as long after the next, up to this; or as long as the service asks it to."""
UNREACHABLE = frozenset({"connect", "incomplete"})
MAX_UNREACHABLE = 10
"""A test ends after so many requests in a row that could not connect or lost their connection."""


@dataclass(frozen=True)
class LoadTest:
    """What to send, and how much of it.

    The test ends after `requests` requests or `duration_s` seconds, whichever is first; at least one of them is set.
    Requests in flight at the end are completed and count. `timeout_s` is for one request.
    """

    url: str
    recording: Recording
    clients: int = 1
    requests: int | None = None
    duration_s: float | None = None
    prompt: str = ""
    model: str = ""
    api_key: str = ""
    timeout_s: float = REQUEST_TIMEOUT_S


async def measure(
    test: LoadTest, on_done: Callable[[Outcome], None], wait: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Report:
    """Send the requests, `clients` of them at a time, and return the report.

    The test ends early if the service cannot be reached any more.

    Args:
        test: what to send.
        on_done: called after each request.
        wait: waits for seconds.
    """
    outcomes: list[Outcome] = []
    turns = itertools.count() if test.requests is None else range(test.requests)
    shared = iter(turns)
    unreachable = 0
    started = time.monotonic()
    end = None if test.duration_s is None else started + test.duration_s

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal unreachable
        outcome: Outcome | None = None
        failed = 0
        for _ in shared:
            if outcome and outcome.error:
                await wait(_pause_s(outcome, failed, end))
            if unreachable >= MAX_UNREACHABLE or (end is not None and time.monotonic() >= end):
                return
            outcome = await one_request(session, test)
            unreachable = unreachable + 1 if outcome.error in UNREACHABLE else 0
            failed = failed + 1 if outcome.error else 0
            outcomes.append(outcome)
            on_done(outcome)

    async with aiohttp.ClientSession(
        connector=connector(limit=test.clients),
        timeout=aiohttp.ClientTimeout(test.timeout_s),
        headers=authorization(test.api_key),
        proxy=proxy_for(test.url),
    ) as session:
        await asyncio.gather(*(client(session) for _ in range(test.clients)))
    return report(outcomes, concurrency=test.clients, wall_s=time.monotonic() - started)


def _pause_s(outcome: Outcome, failed: int, end: float | None) -> float:
    """Return the seconds to wait after `failed` failures in a row, the last one being `outcome`."""
    pause = FIRST_PAUSE_S * 2.0 ** min(failed - 1, 10) if outcome.retry_after_s is None else outcome.retry_after_s
    left = LONGEST_PAUSE_S if end is None else max(end - time.monotonic(), 0.0)
    return min(pause, left, LONGEST_PAUSE_S)


async def one_request(session: aiohttp.ClientSession, test: LoadTest) -> Outcome:
    """Send the recording once; a failure is an outcome as well."""
    started = time.monotonic()
    first_text_s = first_token_s = retry_after_s = None
    answer: dict[str, Any] = {}
    try:
        async for event in process(session, test.url, test.recording, prompt=test.prompt, model=test.model):
            match event:
                case TranscriptDelta() if first_text_s is None:
                    first_text_s = time.monotonic() - started
                case ResponseDelta() if first_token_s is None:
                    first_token_s = time.monotonic() - started
                case Completed():
                    answer = event.answer
        failed = answer.get("error") or {}
        error, explanation = failed.get("code"), failed.get("message", "")
    except RequestError as failure:
        error, explanation, retry_after_s = failure.code, failure.message, failure.retry_after_s
    timings = answer.get("timings") or {}
    return Outcome(
        latency_s=time.monotonic() - started,
        first_text_s=first_text_s,
        first_token_s=first_token_s,
        server_ms=answer.get("process_time_ms"),
        audio_s=answer.get("audio_seconds"),
        queue_ms=timings.get("queue_ms"),
        transcribe_ms=timings.get("transcribe_ms"),
        generate_ms=timings.get("generate_ms"),
        error=error,
        explanation=explanation,
        retry_after_s=retry_after_s,
    )
