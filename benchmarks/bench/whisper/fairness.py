"""Two bridges in front of one Whisper pod, with four clients at one of them and one client at the other."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from bench import subjects
from bench.processes import Program
from bench.report import Figure, Goal, Section
from bench.whisper.clips import short
from bench.whisper.http_load import closed_loop, session, transcribe

if TYPE_CHECKING:
    from bench.recordings import Recording
    from bench.whisper.lab import Lab

AT_FIRST, AT_SECOND = 4, 1  # clients
SECONDS = 20.0
WARM_UP = 4  # pieces
SMALLEST_SHARE, LARGEST_SHARE = 0.8, 1.2


def two_bridges(lab: Lab) -> Section:
    """Each client's share of the audio, and the requests that were refused.

    Raises:
        NotThereError: The bridge does not run here.
    """
    subjects.require("speechbridge")
    files = short(lab.pieces)
    with lab.serve() as pod:
        bridges = [lab.stage.start_other(bridge(pod.url)) for _ in range(2)]
        with bridges[0] as first, bridges[1] as second:
            for one in (first, second):
                asyncio.run(closed_loop(one.url, files[:WARM_UP], lab.weights, 1))
            lab.say(f"whisper: two bridges, {AT_FIRST} clients at one and {AT_SECOND} at the other")
            urls = [first.url] * AT_FIRST + [second.url] * AT_SECOND
            done, refused = asyncio.run(shares(urls, files, lab))
    fair = sum(done) / len(done)
    of_fair = [one / fair for one in done] if fair else [0.0] * len(done)
    at_first = of_fair[:AT_FIRST]
    return Section(
        f"Whisper: two bridges, one pod; {AT_FIRST} clients at one, {AT_SECOND} at the other ({lab.weights.name})",
        figures=[
            Figure("smallest share / fair share", "", {"first bridge": min(at_first), "second bridge": of_fair[-1]}),
            Figure("largest share / fair share", "", {"first bridge": max(at_first), "second bridge": of_fair[-1]}),
            Figure("refused requests", "", {"first bridge": sum(refused[:AT_FIRST]), "second bridge": refused[-1]}),
        ],
        goals=[
            Goal("two bridges: refused requests", 0, "", sum(refused)),
            Goal("two bridges: smallest share / fair share", SMALLEST_SHARE, "", min(of_fair), at_least=True),
            Goal("two bridges: largest share / fair share", LARGEST_SHARE, "", max(of_fair)),
        ],
    )


def bridge(whisper: str) -> Program:
    """A bridge that only transcribes: its language model is never asked, so the pod stands in for it."""
    base = subjects.openai_bridge(whisper, whisper)
    return Program("bridge", [sys.executable, "-m", "speechbridge"], base.environment, "/livez")


async def shares(urls: list[str], files: list[Recording], lab: Lab) -> tuple[list[float], list[int]]:
    """Seconds of audio that each client had transcribed, and its refused requests."""
    done, refused = [0.0] * len(urls), [0] * len(urls)
    until = time.monotonic() + SECONDS

    async def ask(number: int, url: str) -> None:
        async with session() as client:
            for turn in range(sys.maxsize):
                file = files[turn % len(files)]
                answer = await transcribe(client, url, file, lab.weights)
                refused[number] += answer.refused
                if time.monotonic() > until:
                    return
                done[number] += file.seconds

    await asyncio.gather(*(ask(number, url) for number, url in enumerate(urls)))
    return done, refused
