"""Measure a running service: send a recording repeatedly, and report latencies and errors.

Every response is streamed, so that the time to the first token is the one a user sees. The exit code is 0 if every
request succeeded, else 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from rich.console import Console

from speechcli import load_output
from speechcli.bridge_client import REQUEST_TIMEOUT_S, read_recording
from speechcli.errors import UsageError
from speechcli.load import LoadTest, measure


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
    test = LoadTest(
        url=arguments.url,
        recording=read_recording(arguments.audio),
        clients=arguments.concurrency,
        requests=arguments.runs,
        prompt=arguments.prompt,
        model=arguments.model,
        timeout_s=arguments.timeout,
    )
    with load_output.counting(arguments.runs) as done:
        found = asyncio.run(measure(test, done))
    if arguments.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        console = Console(highlight=False)
        load_output.show(console, found, f"{test.recording.name} to {test.url}")
        console.print("  next: --concurrency N for behaviour under load, --json for scripts", style="dim")
    return 1 if found.failed else 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
