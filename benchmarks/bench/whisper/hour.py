"""Long files: speed, memory, the first segment, and what a short request waits beside one."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import TYPE_CHECKING

from bench.report import Figure, Goal, Section, ratio
from bench.stats import percentile
from bench.whisper.clips import long_file
from bench.whisper.http_load import closed_loop, session, transcribe
from bench.whisper.subject import SEQUENTIAL, SERVER
from bench.whisper.uploads import HEARD, streamed

if TYPE_CHECKING:
    from bench.recordings import Recording
    from bench.whisper.lab import Lab

HOUR = 3600.0  # seconds
MB = 1_000_000
TIMES_PLAIN = 1.5
MOST_MEMORY = 100.0  # MB
WARM_UP = 4  # pieces

SLOW_FILE = 120.0  # seconds of audio
PACE = 4.0  # seconds of audio per second: slower than the server, faster than speech
FIRST_WITHIN = 3.0  # seconds

SHORT_CLIP = 2.0  # seconds
REQUESTS = 15
LONGEST_WAIT = 60.0  # seconds; a request that waits longer counts as this long, and no further one is sent
P95_OF_ALONE = 2.0


def long_recording(lab: Lab) -> Section:
    """One long file: seconds of audio per second, compared with plain faster-whisper, and memory."""
    file = long_file(lab.folder, lab.minutes * 60)
    lab.say(f"whisper: a file of {lab.minutes:g} minutes, {SEQUENTIAL}")
    plain = lab.plain.transcribe([file])
    with lab.serve() as process:
        asyncio.run(closed_loop(process.url, lab.pieces[:WARM_UP], lab.weights, 1))
        idle = process.memory()
        process.reset_peak_memory()
        lab.say(f"whisper: a file of {lab.minutes:g} minutes, {SERVER}")
        _, seconds = asyncio.run(closed_loop(process.url, [file], lab.weights, 1))
        peak = process.peak_memory()
    speed = {SEQUENTIAL: file.seconds / plain.seconds, SERVER: file.seconds / seconds}
    what = f"a file of {lab.minutes:g} minutes"
    above = (peak - idle) / MB
    return Section(
        f"Whisper: {what} ({lab.weights.name})",
        figures=[
            Figure("seconds of audio per second", "", speed),
            Figure("resident before the file", "MB", {SERVER: idle / MB}),
            Figure("peak above that", "MB", {SERVER: above}),
        ],
        goals=[
            Goal(
                f"{what}, audio per second: speechwhisper / plain",
                TIMES_PLAIN,
                "",
                ratio(speed, SERVER, SEQUENTIAL),
                at_least=True,
            ),
            Goal(f"{what}, peak memory above idle", MOST_MEMORY, "MB", above),
        ],
    )


def slow_upload(lab: Lab) -> Section:
    """The first segment of a streamed transcription whose upload is slow."""
    file = long_file(lab.folder, SLOW_FILE)
    after, before_end = [], []
    with lab.serve() as process:
        asyncio.run(closed_loop(process.url, lab.pieces[:WARM_UP], lab.weights, 1))
        for round_number in range(lab.rounds):
            lab.say(f"whisper: a slow upload, round {round_number + 1} of {lab.rounds}")
            waited, early = asyncio.run(first_segment(process.url, file, lab))
            after.append(waited)
            before_end.append(early)
            if not early:
                break  # the next round would last as long, and show the same
    return Section(
        f"Whisper: first segment of an upload at {PACE:g} times the speed of speech ({lab.weights.name})",
        figures=[
            Figure(f"first segment after the first {HEARD:.0f} s of audio were sent", "s", {SERVER: median(after)}),
            Figure("rounds in which it came before the upload ended", "", {SERVER: sum(before_end) / len(before_end)}),
        ],
        goals=[Goal(f"first segment after the first {HEARD:.0f} s of audio", FIRST_WITHIN, "s", median(after))],
    )


async def first_segment(url: str, file: Recording, lab: Lab) -> tuple[float, bool]:
    """Seconds from the first half minute of audio to the first segment, and whether the upload still went on."""
    async with streamed(url, file, lab.weights, PACE) as upload:
        at = await upload.first_segment
        uploading = upload.uploaded is None
        return at - await upload.heard, uploading


def beside_hour(lab: Lab) -> Section:
    """A short request while an hour-long file is being transcribed."""
    hour = long_file(lab.folder, HOUR)
    clip = min(lab.pieces, key=lambda piece: abs(piece.seconds - SHORT_CLIP))
    with lab.serve() as process:
        asyncio.run(closed_loop(process.url, lab.pieces[:WARM_UP], lab.weights, 1))
        lab.say(f"whisper: a clip of {clip.seconds:.1f} s alone")
        alone = asyncio.run(requests(process.url, clip, lab))
        lab.say(f"whisper: a clip of {clip.seconds:.1f} s beside an hour-long file")
        beside = asyncio.run(requests_beside(process.url, clip, hour, lab))
    p95 = {"alone": percentile(alone, 0.95), "beside an hour": percentile(beside, 0.95)}
    p50 = {"alone": median(alone), "beside an hour": median(beside)}
    notes = []
    if max(beside) >= LONGEST_WAIT:
        notes.append(f"Beside the hour no answer came within {LONGEST_WAIT:.0f} s.")
    return Section(
        f"Whisper: a clip of {clip.seconds:.1f} s while an hour-long file is being transcribed ({lab.weights.name})",
        figures=[Figure("latency p50", "s", p50), Figure("latency p95", "s", p95)],
        goals=[
            Goal("a short clip beside an hour, p95: / alone", P95_OF_ALONE, "", ratio(p95, "beside an hour", "alone"))
        ],
        notes=notes,
    )


async def requests(url: str, clip: Recording, lab: Lab) -> list[float]:
    """The latencies of requests one after the other."""
    taken: list[float] = []
    async with session() as client:
        for _ in range(REQUESTS):
            try:
                answer = await transcribe(client, url, clip, lab.weights, LONGEST_WAIT)
            except TimeoutError:
                return [*taken, LONGEST_WAIT]
            taken.append(answer.seconds)
    return taken


async def requests_beside(url: str, clip: Recording, hour: Recording, lab: Lab) -> list[float]:
    """The same after the first segment of the hour."""
    async with streamed(url, hour, lab.weights) as upload:
        await upload.first_segment
        return await requests(url, clip, lab)
