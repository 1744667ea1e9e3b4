"""What is left of a transcription that the deadline ended."""

from time import monotonic

import pytest

from speechbridge.deadline import Deadline, TimeLimits
from speechbridge.errors import Problem
from speechbridge.stages.call import Call
from speechbridge.stages.partial import partial_transcript
from speechbridge.telemetry.timeline import Timeline
from speechbridge.transcribers.transcript import Segment
from speechbridge.wait_budget import WaitBudget

pytestmark = pytest.mark.unit

EXPIRED = Problem("deadline_exceeded", "The request timed out.")


def call_with(*segments: Segment) -> Call:
    deadline = Deadline(TimeLimits(stall=1.0, per_audio_second=1.0))
    return Call(
        Timeline(monotonic, ""), WaitBudget(1.0, 1.0), deadline, headers="", streams=False, segments=list(segments)
    )


async def test_the_segments_of_separate_channels_are_put_in_order() -> None:
    call = call_with(
        Segment(0, 0.0, 4.0, " One", channel=0),
        Segment(1, 9.0, 12.0, " Three", channel=0),
        Segment(2, 5.0, 8.0, " Two", channel=1),
    )

    transcript = partial_transcript(call, EXPIRED)

    assert transcript is not None
    assert transcript.text.splitlines() == ["[Channel 0]: One", "[Channel 1]: Two", "[Channel 0]: Three"]
    assert transcript.warnings[0]["message"].startswith("The transcript ends at 12.0 s.")


async def test_without_segments_nothing_is_left() -> None:
    assert partial_transcript(call_with(), EXPIRED) is None
