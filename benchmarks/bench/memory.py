"""Peak memory: new processes, 16 MB uploads in sequence."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench import subjects
from bench.client import Client, check, form_request, noise
from bench.parts import FIELDS
from bench.report import Figure, Goal, Section, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.processes import Program
    from bench.subjects import Stage

SIZE = 16 * 1024 * 1024  # bytes
REQUESTS = 10
MOST_ROUNDS = 3  # a start costs seconds, and the figure hardly varies
OF_PLAIN = 0.45
MIB = 1024 * 1024


def measure(stage: Stage, programs: Sequence[Program], rounds: int, say: Callable[[str], None]) -> Section:
    """Start each program, send the uploads, read its peak resident memory."""
    request = form_request("/process", noise(SIZE), FIELDS)
    idle: dict[str, list[int]] = {program.name: [] for program in programs}
    peak: dict[str, list[int]] = {program.name: [] for program in programs}
    for round_number in range(min(rounds, MOST_ROUNDS)):
        for program in programs:
            say(f"memory: round {round_number + 1} of {min(rounds, MOST_ROUNDS)}, {program.name}")
            with stage.start(program) as process:
                idle[program.name].append(process.memory())
                with Client(process.port) as client:
                    for _ in range(REQUESTS):
                        check(client.post(request), SIZE)
                peak[program.name].append(process.peak_memory())
    peaks = medians(peak)
    return Section(
        f"Memory: a new process, {REQUESTS} uploads of 16 MB in sequence",
        figures=[
            Figure("resident before the first request", "MiB", medians(idle)),
            Figure("peak (VmHWM)", "MiB", peaks),
        ],
        goals=[
            Goal("peak memory, 16 MB: bridge / plain", OF_PLAIN, "", ratio(peaks, subjects.BRIDGE, subjects.PLAIN)),
        ],
    )


def medians(taken: dict[str, list[int]]) -> dict[str, float]:
    """The median of each program's bytes, in MiB."""
    return {name: median(sizes) / MIB for name, sizes in taken.items()}
