"""A real Kubernetes on this machine with the platform on it: up, down, status.

`up` makes a kind cluster with an ingress on 127.0.0.1, a registry of models and two pretended GPUs, installs the chart,
applies examples/speechpipeline.yaml and has a recorded voice answered through the ingress. Where no container registry
answers, all of it is built here from Go modules and Debian packages, once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from speechlocal.cluster import addons, kind, lifecycle, platform, status
from speechlocal.errors import UsageError

if TYPE_CHECKING:
    import argparse

LAST_PORT = 65535


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=("up", "down", "status"), metavar="up|down|status")
    parser.add_argument("--name", default=lifecycle.DEFAULT_NAME, help="the cluster's name (%(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        help=f"up: of the ingress on 127.0.0.1 (the one it has, or {lifecycle.DEFAULT_PORT})",
    )
    parser.add_argument(
        "--without-platform", action="store_true", help="up: the cluster and its parts, nothing of ours"
    )
    parser.add_argument(
        "--kubeconfig",
        nargs="?",
        type=Path,
        const=own_kubeconfig(),
        help="up: write access into this file too, your own when none is named; down: take it out again",
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what is asked for; return 1 when `up` got no answer to its recording, or `status` found something missing."""
    console = Console(highlight=False, file=sys.stdout)
    if arguments.what == "status":
        return 0 if status.show(console, arguments.name) else 1
    if arguments.what == "down":
        lifecycle.down(console, arguments.name)
        if arguments.kubeconfig:
            kind.forget(arguments.name, arguments.kubeconfig)
        return 0
    return up(console, arguments)


def up(console: Console, arguments: argparse.Namespace) -> int:
    """Bring the cluster up, and the platform on it unless that is not wanted."""
    if arguments.port is not None and not 0 < arguments.port <= LAST_PORT:
        raise UsageError(f"--port {arguments.port} is not a TCP port", f"a number from 1 to {LAST_PORT}")
    started = time.monotonic()
    found = lifecycle.up(console, arguments.name, arguments.port, platform=not arguments.without_platform)
    if arguments.kubeconfig:
        kind.export_kubeconfig(arguments.name, arguments.kubeconfig)
    console.print(f"cluster: {arguments.name} is up after {time.monotonic() - started:.0f} s", soft_wrap=True)
    if arguments.without_platform:
        console.print(f"cluster: next: export KUBECONFIG={found.access.kubeconfig}", soft_wrap=True)
        return 0
    answer = asyncio.run(platform.deploy(console, found.access, found.copied))
    addons.wait_ready(arguments.name, addons.parts())
    platform.next_steps(console, found.access)
    console.print(f"\ncluster: ready after {time.monotonic() - started:.0f} s", soft_wrap=True)
    return 1 if answer.get("error") else 0


def own_kubeconfig() -> Path:
    """Return the file that the user's own kubectl reads and would write to."""
    named = os.environ.get("KUBECONFIG", "").partition(os.pathsep)[0]
    return Path(named) if named else Path.home() / ".kube" / "config"
