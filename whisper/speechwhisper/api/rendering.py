"""Renders transcripts while the event loop serves others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechwhisper.recognition.transcript import Transcript

T = TypeVar("T")

_SHORT = 50
"""Segments that take less than the way to a thread and back; the words of three hours take a quarter of a second."""


async def render(transcript: Transcript, render_in: Callable[[Transcript], T]) -> T:
    """Return a transcript in a format, a long one rendered in a thread."""
    if len(transcript.segments) <= _SHORT:
        return render_in(transcript)
    return await asyncio.to_thread(render_in, transcript)
