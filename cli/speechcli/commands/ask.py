"""Send a recording to a pipeline, show transcript and answer as they arrive.

Exit codes: 0 answered; 1 the request failed, or the language model did; 2 wrong command line or unreadable recording;
3 the cluster cannot be reached, or the pipeline does not exist.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from speechcli import options
from speechcli.bridge_access import bridge
from speechcli.bridge_client import REQUEST_TIMEOUT_S, authorization, process, read_recording
from speechcli.control_characters import json_text
from speechcli.conversation import Conversation
from speechcli.localhost import connector
from speechcli.proxies import proxy_for
from speechcli.stopping import until_stopped
from speechcli.terminal import SafeConsole

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", metavar="NAME", help=options.NAME_HELP)
    parser.add_argument("audio", type=Path, metavar="AUDIO", help="the recording, in any format that FFmpeg decodes")
    parser.add_argument("--prompt", default="", help="instructions for the language model (default: the service's)")
    parser.add_argument("--model", default="", help="the language model (default: the pipeline's first)")
    parser.add_argument("--language", default="", help="language of the recording, such as de (default: detected)")
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="default: %(default)s")
    parser.add_argument(
        "--timeout",
        type=options.positive_float,
        default=REQUEST_TIMEOUT_S,
        metavar="SECONDS",
        help="time without a byte from the service, after which the request is given up (default: %(default)g)",
    )
    options.add_bridge(parser)
    options.add_cluster(parser)


def run(arguments: argparse.Namespace) -> int:
    """Send the recording; SIGTERM and Ctrl-C end the port-forward too."""
    return asyncio.run(until_stopped(ask(arguments)))


async def ask(arguments: argparse.Namespace) -> int:
    """Send the recording and show the answer; return the exit code."""
    recording = read_recording(arguments.audio)
    url = options.bridge_url(arguments)
    console = SafeConsole(quiet=arguments.output == "json")
    fields = {"prompt": arguments.prompt, "model": arguments.model, "language": arguments.language}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=arguments.timeout)
    async with bridge(options.cluster_options(arguments), arguments.name, url) as address:
        conversation = Conversation(console, arguments.audio, arguments.prompt, arguments.model)
        async with aiohttp.ClientSession(
            connector=connector(),
            headers=authorization(options.api_key(arguments)),
            timeout=timeout,
            proxy=proxy_for(url),
        ) as session:
            async for event in process(session, await address(), recording, **fields):
                conversation.show(event)
    if arguments.output == "json":
        print(json_text(conversation.answer))
    return 1 if "error" in conversation.answer else 0
