"""For how long a transcript of hours stops the bridge's event loop, as ratios to Python's own JSON parser."""

from __future__ import annotations

import asyncio
import json
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from bench.report import Figure, Goal, Section
from speechbridge.api import json_response
from speechbridge.transcribers.answers import read_last_event, read_transcript
from speechbridge.transcribers.transcript import Segment, segment_from
from speechbridge.upstreams import sse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HOURS = 3
SEGMENTS_PER_HOUR = 1200
WORDS = 10  # per segment
READ_BYTES = 16 * 1024  # of a socket, each time
MOST_PAUSE = 0.5
UNIT = "x json.loads"


def measure(rounds: int, say: Callable[[str], None]) -> Section:
    """Read and write the transcript with the bridge's code and with Python's parser, in turn."""
    document = transcript()
    body, stream = json.dumps(document).encode(), events(document)
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "one document": lambda: read_transcript(body),
        "a stream of segments": lambda: read_stream(stream),
        "verbose_json, written": lambda: asyncio.to_thread(json_response.encode, document),
    }
    parsed: list[float] = []
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(rounds):
        say(f"transcripts: round {number + 1} of {rounds}")
        began = perf_counter()
        json.loads(body)
        parsed.append(perf_counter() - began)
        for way, work in ways.items():
            taken[way].append(asyncio.run(timed(work)))
    unit = median(parsed)
    figures, goals = [], []
    for way, times in taken.items():
        pause = median(one[1] for one in times) / unit
        figures += [
            Figure(f"{way}: time", UNIT, {"bridge": median(one[0] for one in times) / unit}),
            Figure(f"{way}: longest pause of the event loop", UNIT, {"bridge": pause}),
        ]
        goals.append(Goal(f"{HOURS} h, {way}: longest pause / json.loads", MOST_PAUSE, "x", pause))
    return Section(f"Transcripts of {HOURS} h with words, {len(body) / 2**20:.1f} MiB", figures, goals)


async def timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return the seconds that work takes, and the longest time for which nothing else ran."""
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        last = perf_counter()
        while True:
            await asyncio.sleep(0)
            now = perf_counter()
            longest, last = max(longest, now - last), now

    running = asyncio.create_task(others())
    await asyncio.sleep(0)
    began = perf_counter()
    await work()
    took = perf_counter() - began
    await asyncio.sleep(0)
    running.cancel()
    return took, longest


async def read_stream(stream: bytes) -> None:
    """Read a stream of segments as it comes from a socket."""
    parser = sse.Parser()
    segments: list[Segment] = []
    last = ""
    for at in range(0, len(stream), READ_BYTES):
        for event in parser.feed(stream[at : at + READ_BYTES]):
            if len(event.data) < READ_BYTES:
                segments.append(segment_from(json.loads(event.data)["segment"], len(segments)))
            else:
                last = event.data
        await asyncio.sleep(0)
    await read_last_event(last, segments, words=True)


def transcript() -> dict[str, Any]:
    """Return verbose_json with words."""
    segments = [segment(number) for number in range(HOURS * SEGMENTS_PER_HOUR)]
    text = "".join(item["text"] for item in segments)
    about_all = {"type": "transcript.text.done", "text": text, "language": "en", "duration": HOURS * 3600.0}
    return {**about_all, "coverage": None, "warnings": [], "segments": segments}


def segment(number: int) -> dict[str, Any]:
    """Return three seconds of speech."""
    start = number * 3.0
    return {
        "id": number,
        "start": start,
        "end": start + 3.0,
        "text": " What a caller says in three seconds.",
        "tokens": list(range(50_000, 50_000 + 2 * WORDS)),
        "avg_logprob": -0.25,
        "words": [
            {"word": " seconds", "start": start + word * 0.3, "end": start + word * 0.3 + 0.25, "probability": 0.9}
            for word in range(WORDS)
        ],
    }


def events(document: dict[str, Any]) -> bytes:
    """Return the events of speechwhisper: all segments, then the document, which repeats them."""
    deltas = [
        {"type": "transcript.text.delta", "delta": item["text"], "segment": item} for item in document["segments"]
    ]
    return b"".join(f"data: {json.dumps(item)}\n\n".encode() for item in [*deltas, document])
