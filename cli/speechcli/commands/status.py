"""Show a pipeline, or all of the namespace: components, models, load, scaling decisions and wrong conditions.

Exit codes: 0 shown, whatever the state is (`kubectl wait` and `kubectl speech doctor` judge it); 2 wrong command line;
3 the cluster cannot be reached, or the pipeline does not exist.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from rich.live import Live

from speechcli import options
from speechcli.control_characters import json_text
from speechcli.errors import ClusterError
from speechcli.kube import configuration
from speechcli.kube.client import KubeClient
from speechcli.kube.pipelines import pipeline, pipelines
from speechcli.kube.resources import PIPELINES
from speechcli.pipeline import state
from speechcli.status_view import view
from speechcli.stopping import until_stopped
from speechcli.terminal import SafeConsole

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, Iterable

    from rich.console import Console

    from speechcli.kube.client import Json

SHORTEST_WATCH_S = 1.0
"""A watch that ends sooner is not renewed at once."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", nargs="?", default="", help=f"{options.NAME_HELP} (default: all)")
    parser.add_argument("-w", "--watch", action="store_true", help="keep showing it as it changes, until Ctrl-C")
    parser.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="json: the objects of the API, with -w one in a line for each change (default: %(default)s)",
    )
    options.add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the status."""
    return asyncio.run(until_stopped(status(arguments)))


async def status(arguments: argparse.Namespace) -> int:
    """Show the status once, or until it is stopped; return the exit code."""
    console = SafeConsole()
    async with KubeClient(await configuration.load(options.cluster_options(arguments))) as client:
        found = await current(client, arguments.name)
        if arguments.watch:
            await watch(console, client, arguments, found)
        elif arguments.output == "json":
            print(json_text(found[0] if arguments.name else {"items": found}))
        else:
            show(console, found)
            if not found:
                console.print(f"no pipelines in namespace {client.namespace}", soft_wrap=True)
    return 0


async def current(client: KubeClient, name: str) -> list[Json]:
    """Return the pipeline of that name, or all of the namespace; raise ClusterError if they cannot be read."""
    if name:
        return [await pipeline(client, name)]
    return await pipelines(client)


def show(console: Console, found: Iterable[Json]) -> None:
    """Print the pipelines: in the width of the terminal, or in lines of any length without one."""
    if not console.is_terminal:
        console.width = 400
    console.print(view([state(one) for one in found], bars=console.is_terminal))


async def watch(console: Console, client: KubeClient, arguments: argparse.Namespace, found: Iterable[Json]) -> None:
    """Show each change, on a terminal in place, until it is stopped; raise ClusterError if the cluster refuses."""
    if not console.is_terminal or arguments.output == "json":
        async for _, changed in changes(client, arguments.name, found):
            if arguments.output == "json":
                print(json_text(changed, indent=None), flush=True)
            else:
                show(console, [changed])
        return
    shown = {one["metadata"]["name"]: one for one in found}
    with Live(console=console, refresh_per_second=4) as display:
        async for event, changed in changes(client, arguments.name, found):
            shown[changed["metadata"]["name"]] = changed
            if event == "DELETED":
                del shown[changed["metadata"]["name"]]
            display.update(view([state(one) for _, one in sorted(shown.items())], bars=True))


async def changes(client: KubeClient, name: str, found: Iterable[Json] = ()) -> AsyncGenerator[tuple[str, Json]]:
    """Yield pipelines as they are and after each change, without end.

    A watch that begins anew does not tell what was deleted before, so each one follows a list. While the API server
    does not respond, both are tried again.

    Args:
        client: The cluster.
        name: The pipeline, "" for all of the namespace.
        found: The pipelines known so far.

    Raises:
        ClusterError: the cluster refuses, or the pipeline of that name has been deleted.
    """
    known = {one["metadata"]["name"]: one for one in found}
    while True:  # the API server ends a watch after some minutes
        started = time.monotonic()
        try:
            listed = {one["metadata"]["name"] for one in await current(client, name)}
            for gone in known.keys() - listed:
                yield "DELETED", known.pop(gone)
            async with aclosing(client.watch(PIPELINES, client.namespace, name)) as events:
                async for event, changed in events:
                    if event == "DELETED" and name:
                        raise ClusterError(f"the pipeline {name} has been deleted")
                    known[changed["metadata"]["name"]] = changed
                    if event == "DELETED":
                        del known[changed["metadata"]["name"]]
                    yield event, changed
        except ClusterError as error:
            if not error.transient:
                raise
        await asyncio.sleep(max(0.0, SHORTEST_WATCH_S - (time.monotonic() - started)))
