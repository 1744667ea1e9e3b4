"""Measure a pipeline under load: latencies, throughput, refusals, and how many pods a target load needs.

The recording is sent by one client first, then by --clients at the same time, which are bounded by --requests or
--duration. The load is real: it uses the pipeline's pods, may make it scale, and slows its users down.

Exit codes: 0 every request succeeded; 1 some failed; 2 wrong command line or unreadable recording; 3 the cluster cannot
be reached, or the pipeline does not exist.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from speechcli import load_output, options
from speechcli.bridge_access import bridge
from speechcli.bridge_client import REQUEST_TIMEOUT_S, read_recording
from speechcli.errors import ClusterError
from speechcli.kube import configuration
from speechcli.kube.client import KubeClient
from speechcli.kube.pipelines import pipeline
from speechcli.load import LoadTest, measure
from speechcli.pipeline import state
from speechcli.sizing import Sizing, size
from speechcli.stopping import until_stopped
from speechcli.terminal import INDENT, heading

if TYPE_CHECKING:
    import argparse

    from speechcli.kube.configuration import ClusterOptions
    from speechcli.load_report import Report

CLIENTS, DURATION_S = 4, 30.0
ALONE_REQUESTS, ALONE_S = 3, 20.0
MAX_CLIENTS, MAX_DURATION_S = 256, 3600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help=options.NAME_HELP)
    parser.add_argument("--audio", type=Path, required=True, metavar="FILE", help="the recording to send")
    parser.add_argument(
        "--clients",
        type=options.positive_int,
        default=CLIENTS,
        metavar="N",
        help=f"requests at the same time, at most {MAX_CLIENTS} (default: %(default)s)",
    )
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--requests", type=options.positive_int, metavar="N", help="number of requests")
    bound.add_argument(
        "--duration",
        type=options.positive_float,
        metavar="SECONDS",
        help=f"time after which no request is started, at most {MAX_DURATION_S:g} (default: {DURATION_S:g})",
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
    requests = arguments.requests
    duration_s = None if requests else min(arguments.duration or DURATION_S, MAX_DURATION_S)
    recording = read_recording(arguments.audio)
    async with bridge(chosen, arguments.name, url) as address:
        test = LoadTest(
            url=await address(),
            recording=recording,
            clients=min(arguments.clients, MAX_CLIENTS),
            requests=requests,
            duration_s=duration_s,
            prompt=arguments.prompt,
            model=arguments.model,
            api_key=options.api_key(arguments),
            timeout_s=arguments.timeout,
        )
        alone = await _measured(replace(test, clients=1, requests=ALONE_REQUESTS, duration_s=ALONE_S), "one client")
        before = await ready_pods(chosen, arguments.name, optional=bool(url))
        loaded = await _measured(test, f"{test.clients} clients")
        after = await ready_pods(chosen, arguments.name, optional=bool(url))
    sizing = size(alone, loaded, before if before == after else {}, arguments.target, forwarded=not url)
    if arguments.output == "json":
        document = {"alone": alone.as_json(), "loaded": loaded.as_json(), "sizing": asdict(sizing)}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        show(Console(highlight=False), recording.name, alone, loaded, sizing)
    return 1 if alone.failed or loaded.failed else 0


async def ready_pods(chosen: ClusterOptions, name: str, *, optional: bool) -> dict[str, int]:
    """Return the ready pods of each component, as the pipeline's status has them.

    Args:
        chosen: which cluster.
        name: the pipeline.
        optional: whether a cluster that cannot be reached is no error: the address is given.

    Raises:
        ClusterError: the pipeline cannot be read, and it is not optional.
    """
    try:
        async with KubeClient(await configuration.load(chosen)) as client:
            found = state(await pipeline(client, name))
    except ClusterError:
        if optional:
            return {}
        raise
    return {component.name: component.ready for component in found.components if component.ready}


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
