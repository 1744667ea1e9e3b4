"""Check what a pipeline needs: each check has a verdict, and each fault the command or change that fixes it.

Checked are the operator and its CRD, your permissions, conditions, pods, GPUs with their driver and device plugin,
storage, models, Ingress with size and timeouts, DNS, TLS, network policies, and the bridge's readiness. What cannot be
read, for example without permission, is reported as not checked.

Exit codes: 0 no fault; 1 at least one fault; 2 wrong command line; 3 the cluster cannot be reached, or the pipeline
does not exist.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechcli import options
from speechcli.control_characters import json_text
from speechcli.doctor import checks, outside, report
from speechcli.doctor.gather import gather
from speechcli.doctor.verdicts import Level
from speechcli.kube import configuration
from speechcli.kube.client import KubeClient
from speechcli.stopping import until_stopped
from speechcli.terminal import SafeConsole

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help=options.NAME_HELP)
    parser.add_argument("-q", "--quiet", action="store_true", help="show only what is wrong or could not be checked")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: %(default)s")
    options.add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    """Check the pipeline."""
    return asyncio.run(until_stopped(doctor(arguments)))


async def doctor(arguments: argparse.Namespace) -> int:
    """Check the pipeline; return the exit code."""
    chosen = options.cluster_options(arguments)
    async with KubeClient(await configuration.load(chosen)) as client:
        facts = await gather(client, arguments.name, outside.readiness(chosen, arguments.name))
    verdicts = checks.run(facts)
    if arguments.output == "json":
        print(json_text(report.as_json(verdicts)))
    else:
        report.show(SafeConsole(), verdicts, quiet=arguments.quiet)
    return 1 if any(one.level is Level.FAULT for one in verdicts) else 0
