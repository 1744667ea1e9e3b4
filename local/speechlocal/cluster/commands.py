"""Run the platform on Kubernetes on this machine: up, down, status.

`up` creates a kind cluster with an ingress on 127.0.0.1, a registry of models and two simulated GPUs, installs the
chart, applies examples/speechpipeline.yaml and sends a recording through the ingress. If no container registry is
reachable, everything is built on this machine from Go modules and Debian packages, only once.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from speechcli.errors import UsageError
from speechlocal.cluster import addons, kind, lifecycle, platform, status
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    import argparse

LAST_PORT = 65535


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=("up", "down", "status"), metavar="up|down|status")
    parser.add_argument("--name", default=lifecycle.DEFAULT_NAME, help="name of the cluster (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        help=f"up: port of the ingress on 127.0.0.1 (default: the cluster's current one, or {lifecycle.DEFAULT_PORT})",
    )
    parser.add_argument(
        "--without-platform", action="store_true", help="up: only the cluster and its add-ons, without the chart"
    )
    parser.add_argument(
        "--kubeconfig",
        nargs="?",
        type=Path,
        const=own_kubeconfig(),
        help="up: also add access to the cluster to this file (without a value: your own kubeconfig); down: remove it",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run a command; return 1 if `up` got no answer to its recording, or if `status` found something missing."""
    console = Console(highlight=False, file=sys.stdout)
    if arguments.what == "status":
        return 0 if status.show(console, arguments.name) else 1
    if arguments.what == "down":
        lifecycle.down(console, arguments.name)
        if arguments.kubeconfig:
            kind.remove_from_kubeconfig(arguments.name, arguments.kubeconfig)
        return 0
    return up(console, arguments)


def stop_command(name: str) -> str:
    """Return the command that deletes a cluster."""
    return "make cluster-down" if name == lifecycle.DEFAULT_NAME else f"make cluster-down NAME={name}"


def up(console: Console, arguments: argparse.Namespace) -> int:
    """Bring up the cluster, and deploy the platform unless the options exclude it."""
    if arguments.port is not None and not 0 < arguments.port <= LAST_PORT:
        raise UsageError(f"--port {arguments.port} is not a TCP port", f"use a number from 1 to {LAST_PORT}")
    started = time.monotonic()
    found = lifecycle.up(console, arguments.name, arguments.port, platform=not arguments.without_platform)
    if arguments.kubeconfig:
        kind.export_kubeconfig(arguments.name, arguments.kubeconfig)
    console.print(f"cluster: {arguments.name} is up after {time.monotonic() - started:.0f} s", soft_wrap=True)
    if arguments.without_platform:
        console.print(f"cluster: next: export KUBECONFIG={found.access.kubeconfig}", soft_wrap=True)
        return 0
    answer = asyncio.run(platform.deploy(console, found.access, found.copied))
    platform.next_steps(console, found.access, stop_command(arguments.name))
    await_slow_addons(console, arguments.name)
    console.print(f"\ncluster: ready after {time.monotonic() - started:.0f} s", soft_wrap=True)
    return 1 if answer.get("error") else 0


def await_slow_addons(console: Console, name: str) -> None:
    """Wait for the add-ons that no pipeline needs; that one is late is a warning: the platform works."""
    for addon in (one for one in addons.ADDONS if one.slow):
        try:
            with console.status(f"waiting for {addon.name}"):
                addons.wait_ready(name, [addon])
        except LocalError as error:
            console.print(f"\ncluster: warning: {error.message}", soft_wrap=True, markup=False)


def own_kubeconfig() -> Path:
    """Return the file that the user's own kubectl writes to."""
    configured = os.environ.get("KUBECONFIG", "").partition(os.pathsep)[0]
    return Path(configured) if configured else Path.home() / ".kube" / "config"
