"""Measure a pipeline under load: latencies, throughput, refusals, and how many pods a target load needs.

The recording is sent once to warm up, which is not measured, then by one client, then by --clients at the same time,
which are bounded by --requests or --duration. The load is real: it uses the pipeline's pods, may make it scale, and
slows its users down.

Exit codes: 0 every request succeeded; 1 some failed; 2 wrong command line or unreadable recording; 3 the cluster cannot
be reached, or the pipeline does not exist.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from speechcli import load_output, options
from speechcli.bridge_access import bridge
from speechcli.bridge_client import REQUEST_TIMEOUT_S, read_recording
from speechcli.control_characters import json_text
from speechcli.errors import ClusterError, UsageError
from speechcli.kube import configuration
from speechcli.kube.client import KubeClient
from speechcli.kube.pipelines import pipeline
from speechcli.load import LoadTest, measure
from speechcli.pipeline import state
from speechcli.sizing import Sizing, size
from speechcli.stopping import until_stopped
from speechcli.terminal import INDENT, SafeConsole, heading

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from speechcli.kube.configuration import ClusterOptions
    from speechcli.load_report import Report
    from speechcli.pipeline import State

CLIENTS, DURATION_S = 4, 30.0
ALONE_REQUESTS, ALONE_S = 3, 20.0
MAX_CLIENTS, MAX_DURATION_S = 256, 3600
MIN_ROUNDS = 4
"""Requests of each client at least: otherwise a large part of a test is its end, when not all clients are busy."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help=options.NAME_HELP)
    parser.add_argument("--audio", type=Path, required=True, metavar="FILE", help="the recording to send")
    parser.add_argument(
        "--clients",
        type=options.at_most(MAX_CLIENTS, options.positive_int),
        default=CLIENTS,
        metavar="N",
        help=f"requests at the same time, at most {MAX_CLIENTS} (default: %(default)s)",
    )
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument(
        "--requests",
        type=options.positive_int,
        metavar="N",
        help=f"number of requests, at least {MIN_ROUNDS} times --clients",
    )
    bound.add_argument(
        "--duration",
        type=options.at_most(MAX_DURATION_S, options.positive_float),
        metavar="SECONDS",
        help=f"time after which no request is started, at most {MAX_DURATION_S} (default: {DURATION_S:g})",
    )
    parser.add_argument(
        "--target",
        type=options.positive_float,
        metavar="RATE",
        help="seconds of audio per second to size for: the number of people who speak at the same time",
    )
    parser.add_argument(
        "--prompt",
        default="",
        help="instructions for the language model; short answers measure Whisper (default: the service's)",
    )
    parser.add_argument("--model", default="", help="the language model (default: the pipeline's first)")
    parser.add_argument(
        "--timeout",
        type=options.positive_float,
        default=REQUEST_TIMEOUT_S,
        metavar="SECONDS",
        help="time for one request (default: %(default)g)",
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: %(default)s")
    options.add_bridge(parser)
    options.add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    """Measure; SIGTERM and Ctrl-C end the port-forward too."""
    return asyncio.run(until_stopped(bench(arguments)))


async def bench(arguments: argparse.Namespace) -> int:
    """Measure and report; return the exit code."""
    url, chosen = options.bridge_url(arguments), options.cluster_options(arguments)
    requests = _requests(arguments)
    duration_s = None if requests else arguments.duration or DURATION_S
    recording = read_recording(arguments.audio)
    async with bridge(chosen, arguments.name, url) as address:
        test = LoadTest(
            url=await address(),
            recording=recording,
            clients=arguments.clients,
            requests=requests,
            duration_s=duration_s,
            prompt=arguments.prompt,
            model=arguments.model,
            api_key=options.api_key(arguments),
            timeout_s=arguments.timeout,
        )
        await _measured(replace(test, clients=1, requests=1, duration_s=None), "warm-up")
        alone = await _measured(replace(test, clients=1, requests=ALONE_REQUESTS, duration_s=ALONE_S), "one client")
        before = await current(chosen, arguments.name, optional=bool(url))
        loaded = await _measured(test, f"{test.clients} clients")
        after = await current(chosen, arguments.name, optional=bool(url))
    pods = ready_pods(before)
    sizing = size(
        alone,
        loaded,
        pods if pods == ready_pods(after) else {},
        arguments.target,
        forwarded=not url,
        reported=after.bottleneck if after else "",
    )
    if arguments.output == "json":
        document = {"alone": alone.as_json(), "loaded": loaded.as_json(), "sizing": asdict(sizing)}
        print(json_text(document))
    else:
        show(SafeConsole(), recording.name, alone, loaded, sizing)
    return 1 if alone.failed or loaded.failed else 0


def _requests(arguments: argparse.Namespace) -> int | None:
    requests: int | None = arguments.requests
    if requests is not None and requests < MIN_ROUNDS * arguments.clients:
        raise UsageError(
            f"{requests} requests are too few for {arguments.clients} clients",
            f"--requests {MIN_ROUNDS * arguments.clients} or more, or fewer --clients",
        )
    return requests


async def current(chosen: ClusterOptions, name: str, *, optional: bool) -> State | None:
    """Return the state of the pipeline.

    Args:
        chosen: which cluster.
        name: the pipeline.
        optional: whether to return None if the cluster cannot be reached: the address is given.

    Raises:
        ClusterError: the pipeline cannot be read, and it is not optional.
    """
    try:
        async with KubeClient(await configuration.load(chosen)) as client:
            return state(await pipeline(client, name))
    except ClusterError:
        if optional:
            return None
        raise


def ready_pods(found: State | None) -> dict[str, int]:
    """Return the ready pods of each component; empty if the state is unknown."""
    return {component.name: component.ready for component in found.components if component.ready} if found else {}


def show(console: Console, recording: str, alone: Report, loaded: Report, sizing: Sizing) -> None:
    """Print both measurements and the verdict."""
    load_output.show(console, alone, f"{recording}, one client")
    load_output.show(console, loaded, f"{recording}, {loaded.concurrency} clients")
    heading(console, "Verdict")
    for sentence in sizing.sentences:
        console.print(INDENT + sentence, soft_wrap=True)
    heading(console, "Limits of this measurement")
    for limit in sizing.limits:
        console.print(INDENT + limit, style="dim", soft_wrap=True)


async def _measured(test: LoadTest, what: str) -> Report:
    with load_output.counting(test.requests, what) as done:
        return await measure(test, done)
