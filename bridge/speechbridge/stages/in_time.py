"""Whether recordings can be transcribed within their time limit, as far as durations and Whisper's speed are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechbridge.audio.durations import Duration
    from speechbridge.deadline import TimeLimits

_CERTAINTY = 1.25  # how much longer than what fits a recording must be: Whisper's speed varies


def check_in_time(recordings: Iterable[Duration], pace: float, limits: TimeLimits, param: str) -> None:
    """Reject the recordings of a request that take too long, one after the other.

    Args:
        recordings: Their durations; those that are not known are left out.
        pace: Seconds of work per second of audio.
        limits: The time limits.
        param: Where they are in the request.

    Raises:
        Problem: `audio_too_long`.
    """
    longest = limits.longest_audio(pace)
    if longest == float("inf"):
        return
    known = [recording.seconds for recording in recordings if recording.known]
    seconds = sum(known)
    if seconds <= _CERTAINTY * longest:
        return
    what = "The recording" if len(known) == 1 else "The recordings"
    raise Problem(
        "audio_too_long",
        f"{what} of {seconds:.0f} s cannot be transcribed within the limit of {limits.total(seconds):.0f} s; up to"
        f" {longest:.0f} s of audio can.",
        param=param,
    )
