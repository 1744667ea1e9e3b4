"""Reads a pod's answer as a transcript; a large one in a thread, in short steps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from speechbridge.transcribers.transcript import in_order, transcript_from
from speechbridge.upstreams import json_pieces
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import json_object

if TYPE_CHECKING:
    from speechbridge.transcribers.transcript import Segment, Transcript

_LARGE_BYTES = 2**20
"""Read in less than 20 ms."""
_ABOUT_ALL = frozenset({"type", "text", "language", "duration", "coverage", "warnings"})
"""What segments do not tell."""
DONE = "transcript.text.done"
"""The type of the last event."""


async def read_transcript(body: bytes | str) -> Transcript:
    """Return the transcript in a response.

    Raises:
        UpstreamError: `bad_answer`.
    """
    if len(body) <= _LARGE_BYTES:
        return transcript_from(json_object(body))
    return await asyncio.to_thread(_read_large, body)


async def read_last_event(data: str, segments: list[Segment], *, words: bool) -> Transcript:
    """Return the transcript that the last event of a stream completes: it is read for what the segments lack.

    Args:
        data: The event. `speechwhisper` repeats all segments at its end, others have them nowhere else.
        segments: Those that have arrived, in any order: of separate channels, one channel's come before another's.
        words: Whether they should have words.

    Raises:
        UpstreamError: `bad_answer`.
    """
    if not segments or (words and not any(segment.words for segment in segments)):
        return await read_transcript(data)
    about_all = _members(data, _ABOUT_ALL)
    if about_all.get("type") != DONE:
        raise UpstreamError(FailureKind.BAD_ANSWER, "the last event is not the transcript")
    return transcript_from(about_all, in_order(segments))


def _read_large(body: bytes | str) -> Transcript:
    try:
        text = body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        raise _bad_answer() from None
    return transcript_from(_members(text))


def _members(text: str, wanted: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the members of an object: all, or those that were read by the time that the wanted ones were found."""
    found: dict[str, Any] = {}
    try:
        for name, value in json_pieces.members(text):
            found[name] = value
            if wanted and found.keys() >= wanted:
                break
    except (ValueError, RecursionError):
        raise _bad_answer() from None
    return found


def _bad_answer() -> UpstreamError:
    return UpstreamError(FailureKind.BAD_ANSWER, "the response is not a JSON object")
