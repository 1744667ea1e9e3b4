"""A bridge that runs in the test's own process, and what tests send it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from bridge.wire import DEADLINE
from speechbridge.service import Service
from speechbridge.upstreams.pool import Pool

QUICK = {
    "hold_timeout": 0.3,
    "queue_timeout": 1.0,
    "connect_timeout": 1.0,
    "slot_idle_timeout": 0.1,
    "drain_timeout": 2.0,
    "request_timeout_per_audio_second": 0.1,
    "models": "smollm2:135m",
    "prompt_prefill": False,
}


@dataclass
class Bridge:
    """A running bridge and a client for it."""

    url: str
    client: aiohttp.ClientSession
    service: Service
    runner: web.AppRunner

    def samples(self, name: str) -> list[Sample]:
        """The samples of a metric at present."""
        families = text_string_to_metric_families(self.service.metrics.exposition()[0].decode())
        return [sample for family in families for sample in family.samples if sample.name == name]

    def value(self, name: str, **labels: str) -> float | None:
        """The value of a series at present; None if there is none."""
        return next((sample.value for sample in self.samples(name) if sample.labels == labels), None)

    async def process(self, audio: bytes = b"", **fields: str) -> aiohttp.ClientResponse:
        """Send a form to /process, the fields before the file."""
        return await self.client.post("/process", data=form(audio, **fields))

    async def json(self, audio: bytes = b"", **fields: str) -> tuple[int, dict[str, Any]]:
        """Send a form to /process; return status and JSON answer."""
        async with await self.process(audio, **fields) as response:
            return response.status, await response.json()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds in the bridge, which runs in this very loop; TimeoutError if it never does."""
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - the bridge has no event for most of what tests wait for
                await asyncio.sleep(0)


StartBridge = Callable[..., Awaitable[Bridge]]


def form(audio: bytes, *, filename: str = "a.wav", field: str = "file", **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        data.add_field(name, value)
    data.add_field(field, audio or WAV, filename=filename, content_type="audio/wav")
    return data


def wav(seconds: float = 1.0, rate: int = 16_000) -> bytes:
    """A WAV of silence: 16 bit, mono."""
    size = int(seconds * rate) * 2
    header = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    header += b"\x01\x00\x01\x00" + rate.to_bytes(4, "little") + (rate * 2).to_bytes(4, "little") + b"\x02\x00\x10\x00"
    return header + b"data" + size.to_bytes(4, "little") + bytes(size)


WAV = wav()


async def lead_to(pool: Pool, *addresses: str) -> None:
    """Let the name of an upstream resolve to these addresses."""

    async def resolve(_host: str, _port: int) -> frozenset[str]:
        return frozenset(addresses)

    pool.pods.resolve = resolve
    await pool.refresh()
