"""What is left of a transcription that the deadline ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.transcribers.transcript import Transcript, in_order

if TYPE_CHECKING:
    from speechbridge.errors import Problem
    from speechbridge.stages.call import Call


def partial_transcript(call: Call, problem: Problem) -> Transcript | None:
    """Return what was transcribed before the deadline, with the warning `truncated`.

    None for another problem, or if no segment was transcribed. The duration of the recording is unknown.
    """
    if problem.code != "deadline_exceeded" or not call.segments:
        return None
    segments = in_order(call.segments)
    reached = f"The transcript ends at {max(segment.end for segment in segments):.1f} s. {problem.detail}"
    text = "".join(segment.passage for segment in segments).strip()
    return Transcript(text, None, None, segments, warnings=({"code": "truncated", "message": reached},))
