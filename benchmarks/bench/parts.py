"""CPU time and latency of one request, at three sizes of upload."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from bench import subjects
from bench.client import Client, check, form_request, noise
from bench.report import Figure, Goal, Section, ratio
from bench.stats import percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.processes import Process, Program
    from bench.subjects import Stage


@dataclass(frozen=True)
class Size:
    """An upload, and how often it is sent: enough that a program's turn lasts about half a second."""

    name: str
    size: int  # bytes
    requests: int
    of_plain: float  # goal: CPU of the bridge, as a share of the plain peer's


SIZES = (
    Size("64 KB", 64 * 1024, 200, 0.65),
    Size("1 MB", 1024 * 1024, 60, 0.60),
    Size("16 MB", 16 * 1024 * 1024, 6, 0.50),
)
FEWEST_FOR_P99 = 50
OF_STREAMING = 1.0
P50_OF_PLAIN = 1.05
P99_OF_PLAIN = 1.10
FIELDS = {"prompt": "Summarise this call in two sentences:", "model": subjects.STUB_MODEL}


@dataclass
class Samples:
    """Per-round figures of one program at one size: CPU milliseconds per request, p50 and p99 in milliseconds."""

    cpu: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def measure(stage: Stage, programs: Sequence[Program], rounds: int, say: Callable[[str], None]) -> Section:
    """Send the same uploads to every program in turn, one client, one request at a time."""
    requests = {size: form_request("/process", noise(size.size), FIELDS) for size in SIZES}
    samples = {size: {program.name: Samples() for program in programs} for size in SIZES}
    with ExitStack() as running:
        processes = [running.enter_context(stage.start(program)) for program in programs]
        for process in processes:
            for size in SIZES:
                take_turn(process, size, requests[size], Samples())  # warms up: pools, caches, connections
        for round_number in range(rounds):
            say(f"parts: round {round_number + 1} of {rounds}")
            first = round_number % len(processes)
            for size in SIZES:
                for process in processes[first:] + processes[:first]:  # nobody is always first
                    take_turn(process, size, requests[size], samples[size][process.name])
        for process in processes:
            if process.log_lines() < rounds:
                raise RuntimeError(f"{process.name} does not log its requests, as the others do")
    return section(samples)


def take_turn(process: Process, size: Size, request: bytes, samples: Samples) -> None:
    """Send one size's requests over one connection, and note what they cost."""
    with Client(process.port) as client:
        check(client.post(request), size.size)
        before = process.cpu_seconds()
        replies = [client.post(request) for _ in range(size.requests)]
        cpu = process.cpu_seconds() - before
    for reply in replies:
        check(reply, size.size)
    milliseconds = [reply.seconds * 1000 for reply in replies]
    samples.cpu.append(cpu * 1000 / size.requests)
    samples.p50.append(percentile(milliseconds, 0.50))
    samples.p99.append(percentile(milliseconds, 0.99))


def section(samples: dict[Size, dict[str, Samples]]) -> Section:
    """The medians of the rounds, and the goals on their ratios."""
    out = Section("Parts: one request, upstreams without delay (medians over the rounds)")
    goals_cpu: list[Goal] = []
    goals_latency: list[Goal] = []
    for size, of in samples.items():
        cpu = {name: median(taken.cpu) for name, taken in of.items()}
        p50 = {name: median(taken.p50) for name, taken in of.items()}
        p99 = {name: median(taken.p99) for name, taken in of.items()}
        out.figures.append(Figure(f"CPU per request, {size.name}", "ms", cpu))
        goals_cpu += [
            Goal(f"CPU, {size.name}: bridge / plain", size.of_plain, "", ratio(cpu, subjects.BRIDGE, subjects.PLAIN)),
            Goal(
                f"CPU, {size.name}: bridge / streaming",
                OF_STREAMING,
                "",
                ratio(cpu, subjects.BRIDGE, subjects.STREAMING),
            ),
        ]
        out.figures.append(Figure(f"latency p50, {size.name}", "ms", p50))
        goals_latency.append(
            Goal(f"p50, {size.name}: bridge / plain", P50_OF_PLAIN, "", ratio(p50, subjects.BRIDGE, subjects.PLAIN))
        )
        if size.requests < FEWEST_FOR_P99:
            continue
        out.figures.append(Figure(f"latency p99, {size.name}", "ms", p99))
        goals_latency.append(
            Goal(f"p99, {size.name}: bridge / plain", P99_OF_PLAIN, "", ratio(p99, subjects.BRIDGE, subjects.PLAIN))
        )
    out.goals = goals_cpu + goals_latency
    return out
