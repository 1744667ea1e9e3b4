"""Options that the commands share."""

from __future__ import annotations

import argparse
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from speechcli.errors import UsageError
from speechcli.kube.configuration import ClusterOptions

if TYPE_CHECKING:
    from collections.abc import Callable

Number = TypeVar("Number", int, float)

API_KEY_VARIABLE = "SPEECH_API_KEY"
NAME_HELP = "name of the SpeechPipeline"


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the cluster and the namespace."""
    group = parser.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", help="namespace of the pipeline (default: that of the context)")
    group.add_argument("--context", help="context of the kubeconfig (default: the current one)")
    group.add_argument(
        "--kubeconfig", type=Path, metavar="FILE", help="kubeconfig (default: $KUBECONFIG, else ~/.kube/config)"
    )


def add_bridge(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that send requests to the bridge."""
    group = parser.add_argument_group("bridge")
    group.add_argument("--url", default="", help="address of the bridge (default: a port-forward to one of its pods)")
    group.add_argument(
        "--api-key",
        default="",
        metavar="KEY",
        help=f"API key, if the bridge requires one (default: ${API_KEY_VARIABLE})",
    )


def cluster_options(arguments: argparse.Namespace) -> ClusterOptions:
    """Return the choice of the cluster."""
    return ClusterOptions(arguments.kubeconfig, arguments.context, arguments.namespace)


def bridge_url(arguments: argparse.Namespace) -> str:
    """Return the address that the user gives, empty without; raise UsageError if it is not one."""
    url = str(arguments.url)
    if url and not url.startswith(("http://", "https://")):
        raise UsageError(f"{url} is not an address", "use one such as https://speech.example.com")
    return url.rstrip("/")


def api_key(arguments: argparse.Namespace) -> str:
    """Return the API key of the option or the environment, empty without."""
    return str(arguments.api_key) or os.environ.get(API_KEY_VARIABLE, "")


def positive_int(text: str) -> int:
    """Parse a number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def positive_float(text: str) -> float:
    """Parse a number above 0."""
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def at_most(limit: int, parse: Callable[[str], Number]) -> Callable[[str], Number]:
    """Return a parser of numbers that accepts none above the limit."""

    @functools.wraps(parse)  # argparse names the parser in its messages
    def parsed(text: str) -> Number:
        number = parse(text)
        if number > limit:
            raise argparse.ArgumentTypeError(f"must be {limit} or less")
        return number

    return parsed
