"""Many callers at once, and one alone: seconds of audio per second, and latency."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from bench.report import Figure, Goal, Section, ratio
from bench.stats import percentile
from bench.whisper.clips import SHORT, short
from bench.whisper.http_load import closed_loop
from bench.whisper.subject import SEQUENTIAL, SERVER, THREADS

if TYPE_CHECKING:
    from bench.processes import Process
    from bench.recordings import Recording
    from bench.whisper.lab import Lab

CLIENTS = 16
ALONE = 20  # pieces of a turn of one client
WARM_UP = 8  # pieces
TIMES_SEQUENTIAL = 4.0
P95_OF_SEQUENTIAL = 0.3
ALONE_OF_PLAIN = 0.7


@dataclass
class Samples:
    """Figures of one program, one for each round: seconds of audio per second, and seconds of latency."""

    speed: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    refused: int = 0

    def add(self, files: list[Recording], latencies: list[float], seconds: float) -> None:
        """Note a round."""
        self.speed.append(sum(file.seconds for file in files) / seconds)
        self.p50.append(percentile(latencies, 0.50))
        self.p95.append(percentile(latencies, 0.95))


def throughput(lab: Lab) -> Section:
    """Sixteen clients with short pieces: the server, faster-whisper one at a time, and with four workers."""
    files = short(lab.pieces)
    samples = {name: Samples() for name in (SEQUENTIAL, THREADS, SERVER)}
    with lab.serve() as process:
        asyncio.run(closed_loop(process.url, files[:WARM_UP], lab.weights, CLIENTS))
        take_turns(lab, "throughput", process, files, CLIENTS, samples)
    speed, p50, p95 = medians(samples)
    return Section(
        f"Whisper: {CLIENTS} clients, pieces of at most {SHORT:.0f} s ({lab.weights.name})",
        figures=[
            Figure("seconds of audio per second", "", speed),
            Figure("latency p50", "s", p50),
            Figure("latency p95", "s", p95),
            Figure("refused tries per request", "", {SERVER: samples[SERVER].refused / len(files) / lab.rounds}),
        ],
        goals=[
            Goal(
                f"{CLIENTS} clients, audio per second: speechwhisper / sequential",
                TIMES_SEQUENTIAL,
                "",
                ratio(speed, SERVER, SEQUENTIAL),
                at_least=True,
            ),
            Goal(
                f"{CLIENTS} clients, p95: speechwhisper / sequential",
                P95_OF_SEQUENTIAL,
                "",
                ratio(p95, SERVER, SEQUENTIAL),
            ),
        ],
    )


def latency(lab: Lab) -> Section:
    """One client with short pieces, compared with faster-whisper called directly."""
    files = short(lab.pieces)[:ALONE]
    samples = {name: Samples() for name in (SEQUENTIAL, SERVER)}
    with lab.serve() as process:
        asyncio.run(closed_loop(process.url, files[:WARM_UP], lab.weights, 1))
        take_turns(lab, "latency", process, files, 1, samples)
    _, p50, p95 = medians(samples)
    return Section(
        f"Whisper: one client, pieces of at most {SHORT:.0f} s ({lab.weights.name})",
        figures=[Figure("latency p50", "s", p50), Figure("latency p95", "s", p95)],
        goals=[Goal("one client, p50: speechwhisper / plain", ALONE_OF_PLAIN, "", ratio(p50, SERVER, SEQUENTIAL))],
    )


def take_turns(
    lab: Lab, what: str, process: Process, files: list[Recording], clients: int, samples: dict[str, Samples]
) -> None:
    """Let each program transcribe the files once in every round; each round starts with another one."""
    names = list(samples)
    for round_number in range(lab.rounds):
        first = round_number % len(names)
        for name in names[first:] + names[:first]:
            lab.say(f"whisper: {what}, round {round_number + 1} of {lab.rounds}, {name}")
            if name == SERVER:
                answers, seconds = asyncio.run(closed_loop(process.url, files, lab.weights, clients))
                latencies = [answer.seconds for answer in answers]
                samples[name].refused += sum(answer.refused for answer in answers)
            else:
                plain = lab.plain.transcribe(files, name, clients)
                latencies, seconds = plain.latencies, plain.seconds
            samples[name].add(files, latencies, seconds)


def medians(samples: dict[str, Samples]) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Speed, p50 and p95 of each program: the medians of its rounds."""
    return (
        {name: median(taken.speed) for name, taken in samples.items()},
        {name: median(taken.p50) for name, taken in samples.items()},
        {name: median(taken.p95) for name, taken in samples.items()},
    )
