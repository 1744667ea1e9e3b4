"""What this bridge has to do, as `GET /load` reports it with the models it offers, and when that changes.

The members have the names of the Whisper server's `/load`; here they count this bridge's own requests. A request is in
one of `held`, `waiting` and `working`, and one that a pod reports is never in `held`. So the load of Whisper is the sum
of what the pods report and of what the bridges hold, and no request is counted twice.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from speechbridge.admission.retry_after import Backlog
    from speechbridge.model_list import Models
    from speechbridge.stages.demand import Demand

_DIGITS = 3

MAX_FOLLOWERS = 16
"""Streams at once: one for each replica of the operator is enough. `/load` asks for no key, so more end the oldest."""


MAX_PODS = 64
"""Pods of each stage in a report, those with most requests: 1.3 KiB; the operator reads 8 KiB."""

_ID_DIGITS = 12


class Follower:
    """A stream of the load.

    Attributes:
        ended: Whether it has to end, since newer ones have taken its place.
    """

    def __init__(self) -> None:
        self.ended = False


class Load:
    """The load of a bridge.

    Args:
        transcription: The requests for Whisper.
        generation: The requests for the language model.
        backlog: Knows the speed of Whisper.
        models: The current list of models; the operator waits until each bridge reports the one it wants.
        sent: Returns how many requests the pods of Whisper, and those of the language model, have, by address.
    """

    def __init__(
        self,
        transcription: Demand,
        generation: Demand,
        backlog: Backlog,
        models: Models,
        sent: tuple[Callable[[], Mapping[str, int]], Callable[[], Mapping[str, int]]],
    ) -> None:
        self._closed = asyncio.Event()
        self._transcription = transcription
        self._generation = generation
        self._backlog = backlog
        self._models = models
        self._sent_to_whisper, self._sent_to_ollama = sent
        self._followers: list[Follower] = []
        self._changed = asyncio.Event()
        self._held = asyncio.Event()
        for demand in (transcription, generation):
            demand.on_change = self._changed.set
            demand.on_hold = self._held.set

    def document(self) -> dict[str, Any]:
        """Return the JSON object."""
        whisper, ollama = self._transcription.load(), self._generation.load()
        speed = self._backlog.speed
        return {
            "held": whisper.held,
            "waiting": whisper.waiting,
            "working": whisper.working,
            "audio_seconds_held": round(whisper.audio_seconds_held, _DIGITS),
            "audio_seconds_waiting": round(whisper.audio_seconds_held + whisper.audio_seconds_waiting, _DIGITS),
            "audio_seconds_working": round(whisper.audio_seconds_working, _DIGITS),
            "audio_seconds_per_second": round(speed, _DIGITS) if speed else 0.0,
            "oldest_wait_seconds": round(whisper.oldest_wait_seconds, _DIGITS),
            "pods": _busiest(self._sent_to_whisper()),
            "ollama": {
                "held": ollama.held,
                "waiting": ollama.waiting,
                "working": ollama.working,
                "coming": self._generation.coming,
                "pods": _busiest(self._sent_to_ollama()),
            },
            "models_revision": self._models.current.revision,
        }

    @property
    def holds(self) -> bool:
        """Whether a request of either stage is held."""
        return self._transcription.holds or self._generation.holds

    @property
    def closed(self) -> bool:
        """Whether the bridge has no more work, as it is shutting down: nothing follows."""
        return self._closed.is_set()

    @property
    def followers(self) -> int:
        """How many streams there are."""
        return len(self._followers)

    def close(self) -> None:
        """End what follows the load, after a last report."""
        self._closed.set()
        self._changed.set()
        self._held.set()

    @contextmanager
    def following(self) -> Iterator[Follower]:
        """Count a stream while it lasts; the oldest ends if there are too many."""
        follower = Follower()
        self._followers.append(follower)
        if len(self._followers) > MAX_FOLLOWERS:
            self._followers.pop(0).ended = True
            self._changed.set()
        try:
            yield follower
        finally:
            if follower in self._followers:
                self._followers.remove(follower)

    def models_changed(self) -> None:
        """Report that another list of models is in use."""
        self._changed.set()

    async def change(self) -> None:
        """Wait until a request comes, moves or goes, or another list of models is used."""
        self._changed.clear()
        await self._changed.wait()

    async def end(self) -> None:
        """Wait until the load is closed."""
        await self._closed.wait()

    async def hold(self) -> None:
        """Wait until a request is held."""
        while not (self.holds or self.closed):
            self._held.clear()
            await self._held.wait()


def pod_id(address: str) -> str:
    """Return the name of a pod in reports: `/load` asks for no key, so it does not tell the IP addresses of pods.

    The operator knows the addresses, and computes the same (`load_reports.pod_id`).
    """
    return sha256(address.encode()).hexdigest()[:_ID_DIGITS]


def _busiest(sent: Mapping[str, int]) -> dict[str, int]:
    busiest = sorted(sent.items(), key=lambda item: item[1], reverse=True)[:MAX_PODS]
    return {pod_id(address): count for address, count in busiest}
