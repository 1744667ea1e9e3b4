"""Requests as users send them, through the ingress, and how well the answers fit what was spoken."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

import spoken
from speechcli.sse import events
from speechlocal import paths

VOICE = paths.RECORDINGS / "austen-ill-disposed.wav"
LONGER_VOICE = paths.RECORDINGS / "austen-leisure-to-consider.wav"
PROMPT = "Reply with one word: is he kind?"
WORDS_WRONG = 0.2  # tiny.en's word error rate on these recordings is below 0.1


@asynccontextmanager
async def client(host: str, key: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """A client that asks for `host` wherever it connects to, as the ingress on 127.0.0.1 needs it."""
    headers = {"Host": host} | ({"Authorization": f"Bearer {key}"} if key else {})
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(300)) as session:
        yield session


def form(voice: Any = VOICE, **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(fields)
    data.add_field("file", voice.read_bytes(), filename=voice.name, content_type="audio/wav")
    return data


def word_error_rate(heard: str, voice: Any = VOICE) -> float:
    return spoken.word_error_rate(spoken.transcript(voice), heard)


@dataclass
class Streamed:
    """A streamed answer: what came, and when (seconds after the request began)."""

    names: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    data: dict[str, dict[str, Any]] = field(default_factory=dict)

    def seconds_between(self, one: str, other: str) -> float:
        """From the last event of one name to the last of another."""
        last = dict(zip(self.names, self.times, strict=True))
        return last[other] - last[one]


async def stream(session: aiohttp.ClientSession, url: str, voice: Any = LONGER_VOICE) -> Streamed:
    found, began = Streamed(), time.monotonic()
    async with session.post(f"{url}/process", data=form(voice, prompt=PROMPT, stream="true")) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "text/event-stream"
        async for event in events(answer.content.iter_any()):
            found.names.append(event.name)
            found.times.append(time.monotonic() - began)
            found.data[event.name] = json.loads(event.data)
    return found
