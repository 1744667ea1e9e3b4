"""Cost of a streamed token, and delay of the first one."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from bench import subjects
from bench.client import Client, ReplyError, form_request, noise
from bench.report import Figure, Goal, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.processes import Process, Program
    from bench.subjects import Stage

AUDIO = noise(32 * 1024)
TOKENS = 2000
SHORT_ANSWERS = 20  # requests: their cost is taken off the long answers'
BURSTS = 3  # requests
FIRST_TOKENS = 20  # requests
MOST_MICROSECONDS = 35.0
MOST_FIRST_BYTE = 5.0  # milliseconds
STAMPED = re.compile(rb'"(?:text|content)": ?" ?(\d+)[" ]')  # a word that the stub stamped, alone or with the next


def scripted(script: str) -> bytes:
    """A streamed request whose prompt tells the stub how to answer (see peers/cmd/stub/script.go)."""
    return form_request("/process", AUDIO, {"prompt": script, "model": subjects.STUB_MODEL, "stream": "true"})


SHORT = scripted("tokens=1 gap_us=200")
ONE_BY_ONE = scripted(f"tokens={TOKENS + 1} gap_us=200")
BURST = scripted(f"tokens={TOKENS + 1}")
FIRST = scripted("tokens=3 gap_us=200 first_us=20000 stamp=1")


@dataclass
class Samples:
    """Per-round figures of one program: microseconds of CPU per token, milliseconds to the first."""

    one_by_one: list[float] = field(default_factory=list)
    burst: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)


def measure(stage: Stage, programs: Sequence[Program], rounds: int, say: Callable[[str], None]) -> Section:
    """Stream answers of one token and of very many; the difference is what tokens cost."""
    samples = {program.name: Samples() for program in programs}
    with ExitStack() as running:
        processes = [running.enter_context(stage.start(program)) for program in programs]
        for process in processes:
            take_turn(process, Samples())
        for round_number in range(rounds):
            say(f"tokens: round {round_number + 1} of {rounds}")
            first = round_number % len(processes)
            for process in processes[first:] + processes[:first]:
                take_turn(process, samples[process.name])
    one_by_one = {name: median(taken.one_by_one) for name, taken in samples.items()}
    delay = {name: median(taken.first) for name, taken in samples.items()}
    return Section(
        "Tokens: cost of forwarding one token of a streamed answer",
        figures=[
            Figure("CPU per token, one every 0.2 ms", "µs", one_by_one),
            Figure("CPU per token, all at once", "µs", {name: median(taken.burst) for name, taken in samples.items()}),
            Figure("first byte after the first upstream token", "ms", delay),
        ],
        goals=[
            Goal("CPU per streamed token", MOST_MICROSECONDS, "µs", one_by_one.get(subjects.BRIDGE)),
            Goal("first SSE byte after the first upstream token", MOST_FIRST_BYTE, "ms", delay.get(subjects.BRIDGE)),
        ],
    )


def take_turn(process: Process, samples: Samples) -> None:
    """Measure one program once."""
    with Client(process.port) as client:
        short = cpu_each(process, client, SHORT, SHORT_ANSWERS, 1)
        samples.one_by_one.append((cpu_each(process, client, ONE_BY_ONE, 1, TOKENS + 1) - short) * 1e6 / TOKENS)
        samples.burst.append((cpu_each(process, client, BURST, BURSTS, TOKENS + 1) - short) * 1e6 / TOKENS)
        samples.first.append(median(first_token_delay(client) for _ in range(FIRST_TOKENS)))


def cpu_each(process: Process, client: Client, request: bytes, times: int, tokens: int) -> float:
    """CPU seconds that one such request costs; every word must arrive, however the server groups them."""
    before = process.cpu_seconds()
    replies = [client.post(request) for _ in range(times)]
    cpu = process.cpu_seconds() - before
    for reply in replies:
        text, _, _ = reply.body.partition(b"event: response.done")
        if text.count(b" word") != tokens:
            raise ReplyError(f"{text.count(b' word')} of {tokens} words arrived: {reply.body[-500:]!r}")
    return cpu / times


def first_token_delay(client: Client) -> float:
    """Milliseconds from the moment the stub wrote its first word, which holds it, to the moment it was read here."""
    first = client.stream(FIRST, STAMPED)
    return (first.at - int(first.found[1])) / 1e6
