"""A recorded voice in, transcript and answer out: Whisper, a language model and the bridge on this machine.

Starts all three as child processes on free ports of 127.0.0.1, sends a recording, shows what comes back as it comes,
and stops them again. With OLLAMA_URL in the environment that Ollama answers (MODEL or --model: one of its models).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from rich.console import Console

from speechlocal import demo_output as view
from speechlocal import models, ollama, paths, terminal
from speechlocal.bridge_client import Recording, process, read_recording
from speechlocal.errors import UsageError
from speechlocal.stack import OllamaModel, Stack, plan, started

if TYPE_CHECKING:
    import argparse
    from collections.abc import Coroutine, Mapping

RECORDING = paths.RECORDINGS / "austen-leisure-to-consider.wav"
PROMPT = "In one sentence, what does the speaker say?"
REQUEST_TIMEOUT_S = 300.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--audio", type=Path, default=RECORDING, metavar="FILE", help="a recording in any format")
    parser.add_argument("--prompt", default=PROMPT, help="what to do with the transcript (default: %(default)r)")
    parser.add_argument("--model", default="", help="a model of OLLAMA_URL's (default: MODEL, else its first)")
    parser.add_argument("--port", type=int, default=0, help="the bridge's TCP port (default: a free one)")
    parser.add_argument("--keep", action="store_true", help="keep it running, with the playground, until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="print only the JSON answer of /process on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; Ctrl-C, SIGTERM and a closed terminal stop it and all it started."""
    return asyncio.run(until_stopped(demonstrate(arguments)))


async def until_stopped(work: Coroutine[Any, Any, int]) -> int:
    """Return the exit code of `work`, or 128 and the signal's number when SIGTERM or SIGHUP ends it, as Ctrl-C does.

    Whoever ignores a signal on purpose, as nohup does, keeps that.
    """
    working = asyncio.ensure_future(work)
    received: list[int] = []

    def stop(number: int) -> None:
        if not received:  # once: a second cancellation would interrupt the stopping
            working.cancel()
        received.append(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await working
    except asyncio.CancelledError:
        if not received:
            raise
        return 128 + received[0]


async def demonstrate(arguments: argparse.Namespace) -> int:
    """Check the wishes, start everything, show the answer, stop everything; return the exit code."""
    recording = read_recording(arguments.audio)
    planned = plan(port=arguments.port, ollama=await chosen_model(arguments.model, os.environ))
    console = Console(highlight=False, stderr=arguments.json)
    view.opening(console, planned.model)
    with terminal.starting(console, planned.programs) as progress:
        async with started(planned, on_ready=progress.ready) as stack:
            progress.end()
            asked = ask(console, stack, recording, arguments)
            answer = await stack.processes.during(asked)
            if arguments.json:
                print(json.dumps(answer, ensure_ascii=False), flush=True)
            if arguments.keep:
                view.kept(console, stack.url, arguments.audio, stack.processes.logs)
                await stack.processes.wait_end()
    view.next_steps(console)
    return 1 if "error" in answer else 0


async def chosen_model(wanted: str, environment: Mapping[str, str]) -> OllamaModel | None:
    """Return the model of OLLAMA_URL's Ollama to use; None where there is none and the small one is started here."""
    url, wanted = environment.get("OLLAMA_URL", ""), wanted or environment.get("MODEL", "")
    if url:
        return await ollama.choose_model(url, wanted)
    if wanted not in ("", models.LLM_NAME):
        raise UsageError(
            f"without OLLAMA_URL the demo answers with {models.LLM_NAME}, not with {wanted}",
            f"OLLAMA_URL=http://127.0.0.1:11434 MODEL={wanted} make demo",
        )
    return None


async def ask(console: Console, stack: Stack, recording: Recording, arguments: argparse.Namespace) -> dict[str, Any]:
    """Send the recording, show transcript and answer as they come, and return the whole answer."""
    conversation = view.Conversation(console, arguments.audio, arguments.prompt, stack.model)
    timeout = aiohttp.ClientTimeout(REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        async for step in process(session, stack.url, recording, prompt=arguments.prompt, model=stack.model):
            conversation.show(step)
    return conversation.answer
