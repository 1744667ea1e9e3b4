"""Measure a running service: send a recording repeatedly, and report latencies and errors.

Every response is streamed, so that the time to the first token is the one a user sees. The exit code is 0 if every
request succeeded, else 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from speechlocal.bridge_client import (
    REQUEST_TIMEOUT_S,
    Completed,
    Recording,
    ResponseDelta,
    TranscriptDelta,
    process,
    read_recording,
)
from speechlocal.errors import RequestError, UsageError
from speechlocal.load_report import Outcome, Report, Spread, report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLAIN_PROGRESS_STEPS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--url", required=True, help="address of the bridge, such as http://127.0.0.1:8080")
    parser.add_argument("--audio", type=Path, required=True, metavar="FILE", help="the recording to send")
    parser.add_argument("--runs", type=_positive, default=20, help="number of requests (default: %(default)s)")
    parser.add_argument("--concurrency", type=_positive, default=1, help="requests in flight (default: %(default)s)")
    parser.add_argument("--prompt", default="", help="the prompt for the transcript (default: the service's)")
    parser.add_argument("--model", default="", help="the language model (default: the service's first)")
    parser.add_argument(
        "--timeout", type=float, default=REQUEST_TIMEOUT_S, help="seconds per request (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and report."""
    if not arguments.url.startswith(("http://", "https://")):
        raise UsageError(f"{arguments.url} is not an address", "use one such as http://127.0.0.1:8080")
    recording = read_recording(arguments.audio)
    with counting(arguments.runs) as done:
        found = asyncio.run(measure(arguments, recording, done))
    if arguments.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        show(found, arguments.url, recording.name)
    return 1 if found.failed else 0


async def measure(arguments: argparse.Namespace, recording: Recording, on_done: Callable[[], None]) -> Report:
    """Send all requests, `concurrency` of them at a time, and return the report; `on_done` is called after each."""
    outcomes: list[Outcome] = []
    turns = iter(range(arguments.runs))

    async def worker(session: aiohttp.ClientSession) -> None:
        for _ in turns:  # shared by all workers
            outcomes.append(await one_request(session, arguments, recording))
            on_done()

    started = time.monotonic()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=arguments.concurrency), timeout=aiohttp.ClientTimeout(arguments.timeout)
    ) as session:
        await asyncio.gather(*(worker(session) for _ in range(arguments.concurrency)))
    return report(outcomes, concurrency=arguments.concurrency, wall_s=time.monotonic() - started)


async def one_request(session: aiohttp.ClientSession, arguments: argparse.Namespace, recording: Recording) -> Outcome:
    """Send the recording once; a failure is an outcome as well."""
    started = time.monotonic()
    first_text_s = first_token_s = None
    answer: dict[str, Any] = {}
    try:
        async for event in process(session, arguments.url, recording, prompt=arguments.prompt, model=arguments.model):
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
        error, explanation = failure.code, failure.message
    return Outcome(
        latency_s=time.monotonic() - started,
        first_text_s=first_text_s,
        first_token_s=first_token_s,
        server_ms=answer.get("process_time_ms"),
        audio_s=answer.get("audio_seconds"),
        error=error,
        explanation=explanation,
    )


@contextmanager
def counting(runs: int) -> Iterator[Callable[[], None]]:
    """Show on stderr how many requests are done: a bar on a terminal, otherwise some plain lines."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("requests"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("requests", total=runs)
        shown = {round(runs * step / PLAIN_PROGRESS_STEPS) for step in range(1, PLAIN_PROGRESS_STEPS + 1)}
        finished = 0

        def done() -> None:
            nonlocal finished
            finished += 1
            progress.advance(task)
            if not console.is_terminal and finished in shown:
                console.print(f"{finished} of {runs} requests done")

        yield done


def show(found: Report, url: str, recording: str) -> None:
    """Print the report as a table, with the failures below it."""
    console = Console(highlight=False)
    table = Table(title=f"{recording} to {url}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("milliseconds")
    for name in ("mean", "min", "p50", "p99", "max"):
        table.add_column(name, justify="right")
    rows = {
        "whole response": found.latency_ms,
        "first text of the transcript": found.first_text_ms,
        "first token of the response": found.first_token_ms,
        "measured by the service": found.server_ms,
    }
    for name, values in rows.items():
        table.add_row(name, *cells(values))
    console.print(table)
    rates = f"{found.requests_per_second:.2f} requests/s, {found.audio_seconds_per_second:.1f} s of audio per second"
    console.print(
        f"  {found.succeeded} of {found.requests} requests succeeded in {found.wall_s:.1f} s, "
        f"{found.concurrency} at a time: {rates}",
        soft_wrap=True,
    )
    for code, count in found.errors.items():
        console.print(f"  failed: {count} times {code}: {found.explanations[code]}", style="red", soft_wrap=True)
    console.print("  next: --concurrency N for behaviour under load, --json for scripts", style="dim")


def cells(values: Spread | None) -> list[str]:
    """Return a row's numbers as text."""
    if values is None:
        return ["-"] * 5
    return [f"{value:,.0f}" for value in (values.mean, values.min, values.p50, values.p99, values.max)]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
