"""Send a recording, show transcript and answer: Whisper, a language model and the bridge on this machine.

Starts all three as child processes on free ports of 127.0.0.1, sends a recording and shows the answer as it arrives. On
a terminal it then keeps them running until Enter; in a script, and with --json, it stops them at once. If OLLAMA_URL is
set, the answer comes from that Ollama, from one of its models (MODEL or --model).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from rich.console import Console

from speechcli.bridge_client import REQUEST_TIMEOUT_S, Recording, process, read_recording
from speechcli.conversation import Conversation
from speechcli.errors import UsageError
from speechcli.stopping import until_stopped
from speechlocal import demo_output, models, ollama, terminal
from speechlocal.demo_output import DEMO_PROMPT, DEMO_RECORDING
from speechlocal.stack import OllamaModel, Stack, plan, started

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--audio", type=Path, default=DEMO_RECORDING, metavar="FILE", help="a recording in any format")
    parser.add_argument("--prompt", default=DEMO_PROMPT, help="the prompt for the transcript (default: %(default)r)")
    parser.add_argument(
        "--model", default="", help="model of the Ollama at OLLAMA_URL (default: MODEL, else its first)"
    )
    parser.add_argument("--port", type=int, default=0, help="TCP port of the bridge (default: a free one)")
    parser.add_argument("--keep", action="store_true", help="keep them running until Ctrl-C, in a script too")
    parser.add_argument("--json", action="store_true", help="print only the JSON response of /process to stdout")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; Ctrl-C, SIGTERM and a closed terminal stop it and everything that it started."""
    return asyncio.run(until_stopped(demonstrate(arguments)))


async def demonstrate(arguments: argparse.Namespace) -> int:
    """Check the options, start everything, show the answer, stop everything; return the exit code."""
    recording = read_recording(arguments.audio)
    planned = plan(port=arguments.port, ollama=await chosen_model(arguments.model, os.environ))
    console = Console(highlight=False, stderr=arguments.json)
    demo_output.opening(console, planned.model)
    with terminal.startup(console, planned.programs) as progress:
        async with started(planned, on_ready=progress.ready) as stack:
            progress.end()
            answer = await stack.processes.during(send(console, stack, recording, arguments))
            demo_output.model_note(console, stack.model)
            if arguments.json:
                print(json.dumps(answer, ensure_ascii=False), flush=True)
            if arguments.keep:
                demo_output.running(console, stack.url, arguments.audio, stack.processes.logs, until="Ctrl-C")
                await stack.processes.wait_end()
            elif not arguments.json and attended(console):
                demo_output.running(console, stack.url, arguments.audio, stack.processes.logs, until="Enter")
                await stack.processes.during(line_entered())
    demo_output.next_steps(console)
    return 1 if "error" in answer else 0


def attended(console: Console) -> bool:
    """Return whether somebody sees the output and can press keys: not in a pipe, nor in the background of a shell."""
    return console.is_terminal and sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()


async def line_entered() -> None:
    """Wait for a line on standard input, or for its end."""
    loop = asyncio.get_running_loop()
    entered = asyncio.Event()
    loop.add_reader(sys.stdin, entered.set)
    try:
        await entered.wait()
    finally:
        loop.remove_reader(sys.stdin)
    sys.stdin.readline()


async def chosen_model(wanted: str, environment: Mapping[str, str]) -> OllamaModel | None:
    """Return the model to use of the Ollama at OLLAMA_URL; None if unset: the small model is then started here."""
    url, wanted = environment.get("OLLAMA_URL", ""), wanted or environment.get("MODEL", "")
    if url:
        return await ollama.choose_model(url, wanted)
    if wanted not in ("", models.LLM_NAME):
        raise UsageError(
            f"{wanted} needs OLLAMA_URL; without it the demo has only {models.LLM_NAME}",
            f"OLLAMA_URL=http://127.0.0.1:11434 MODEL={wanted} make demo",
        )
    return None


async def send(console: Console, stack: Stack, recording: Recording, arguments: argparse.Namespace) -> dict[str, Any]:
    """Send the recording, show transcript and answer as they arrive, and return the whole response."""
    conversation = Conversation(console, arguments.audio, arguments.prompt, stack.model)
    timeout = aiohttp.ClientTimeout(REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async for event in process(session, stack.url, recording, prompt=arguments.prompt, model=stack.model):
            conversation.show(event)
    return conversation.answer
