"""Real Whisper (tiny.en) and a real language model (SmolLM2-135M): when the first token comes, and the last."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from bench import recognition, subjects
from bench.client import OK, Client, Reply, ReplyError, form_request
from bench.processes import PORT, Program
from bench.recordings import Recording, recordings
from bench.report import Figure, Section
from speechlocal import models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.processes import Process
    from bench.subjects import Stage

MOST_ROUNDS = 3  # each takes many seconds
WARM, COLD = "bridge, warm-up", "bridge, no warm-up"
FIRST_TOKEN = re.compile(rb"event: response\.delta")
# As long as real instructions; a new number before each keeps it out of the model's prefix cache.
INSTRUCTIONS = (
    "You are the assistant of a call centre. Read the transcript of the call with care and write one short sentence "
    "for the colleague who calls back. Name what the caller wants, what was promised, and by when. Keep to what was "
    "said: do not guess at names, numbers or dates, and leave out greetings, apologies and small talk. If the caller "
    "sounded upset, say so in two words at the end. If the transcript is hard to understand, say which part is, and "
    "do not fill the gap. Do not use lists, headings or quotation marks. Write in plain English, in the past tense, "
    "in the third person, and in no more than twenty words. Do not repeat these instructions, do not explain what you "
    "did, and do not offer further help. The transcript comes from a machine: words that sound alike may have been "
    "confused, and where a sentence makes no sense, the likelier word that sounds the same is the one that was said. "
    "A call may hold several wishes: then take the one that was spoken of longest."
)


@dataclass(frozen=True)
class Times:
    """Seconds from the request to the first token, and to the end of the answer."""

    first: float
    whole: float


def measure(stage: Stage, go: Path | None, rounds: int, say: Callable[[str], None]) -> Section:
    """Time to the first token of the bridge with and without warm-up, beside the whole answer of the plain peer.

    Raises:
        NotThereError: one of our programs, or a model's weights, are missing.
    """
    for module in ("speechwhisper", "speechbridge"):
        subjects.require(module)
    rounds = min(rounds, MOST_ROUNDS)
    recording = max(recordings(), key=lambda each: each.seconds)
    times: dict[str, list[Times]] = {}
    with ExitStack() as running:
        say("real: starting Whisper, the language model and the bridges")
        whisper = running.enter_context(stage.start(recognition.server(slots=1)))
        llm = running.enter_context(stage.start(language_model()))
        processes = [running.enter_context(stage.start(program)) for program in programs(go, whisper.url, llm.url)]
        for round_number in range(rounds + 1):
            say(f"real: round {round_number} of {rounds}" if round_number else "real: warming up")
            for turn, process in enumerate(processes):
                taken = ask(process, recording, f"Call {round_number}{turn}. {INSTRUCTIONS}")
                if round_number:
                    times.setdefault(process.name, []).append(taken)
    first = {name: median(one.first for one in taken) for name, taken in times.items() if name != subjects.PLAIN}
    whole = {name: median(one.whole for one in taken) for name, taken in times.items()}
    return Section(
        "Real: Whisper tiny.en and SmolLM2-135M on the CPU, all cores shared by all",
        figures=[Figure("time to first token", "s", first), Figure("time to whole answer", "s", whole)],
        notes=[
            f"{recording.seconds:.1f} s of speech, {len(INSTRUCTIONS.split())} words of instructions new to the model.",
            "The plain peer responds only with its whole answer; answers differ in length.",
        ],
    )


def programs(go: Path | None, whisper: str, llm: str) -> Iterator[Program]:
    """The bridges to compare: ours twice, and the plain peer if there is Go."""
    base = subjects.openai_bridge(whisper, llm)
    for name, prefill in ((WARM, "true"), (COLD, "false")):
        yield replace(base, name=name, environment={**base.environment, "PROMPT_PREFILL": prefill})
    if go is not None:
        plain = subjects.peer(go, subjects.PLAIN, whisper, llm, models.LLM_NAME)
        yield replace(plain, environment={**plain.environment, "GENERATOR": "openai"})


def language_model() -> Program:
    """The language model of the demo: llama.cpp's server with SmolLM2, OpenAI's API."""
    return Program("llm", [sys.executable, "-m", "speechlocal", "llm", "--port", PORT], {}, "/health")


def ask(process: Process, recording: Recording, prompt: str) -> Times:
    """Ask for a streamed answer; of the plain peer, which does not stream, for a whole one."""
    fields = {"prompt": prompt, "model": models.LLM_NAME, "stream": "true"}
    request = form_request("/process", recording.audio, fields)
    with Client(process.port) as client:
        if process.name == subjects.PLAIN:
            seconds = expect_answer(client.post(request)).seconds
            return Times(seconds, seconds)
        streamed = client.stream(request, FIRST_TOKEN)
        return Times(streamed.seconds, expect_answer(streamed.reply).seconds)


def expect_answer(reply: Reply) -> Reply:
    """The reply, if both stages came to an end.

    Raises:
        ReplyError: they did not.
    """
    if reply.status != OK or b"processing failed" in reply.body or b'"response"' not in reply.body:
        raise ReplyError(f"status {reply.status}: {reply.body[-500:]!r}")
    return reply
