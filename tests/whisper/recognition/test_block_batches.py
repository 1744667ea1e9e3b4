from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from speechwhisper.recognition.block_batches import Verdict, checked, judge

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.port import StoppedError
from speechwhisper.recognition.speech import Span
from whisper.scripted import segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechwhisper.recognition.transcript import Segment

pytestmark = pytest.mark.unit

BLOCK = Span(0, 10 * RATE)


def test_a_good_block_is_kept() -> None:
    assert judge([segment(" All is well.", 0, 9.5)], BLOCK) is Verdict.KEEP


def test_an_improbable_block_without_speech_is_silence() -> None:
    assert judge([segment(" You", 0, 9.5, avg_logprob=-1.2, no_speech_prob=0.9)], BLOCK) is Verdict.SILENT


def test_a_probable_block_is_kept_though_speech_was_doubted() -> None:
    assert judge([segment(" Yes.", 0, 9.5, avg_logprob=-0.3, no_speech_prob=0.9)], BLOCK) is Verdict.KEEP


@pytest.mark.parametrize(
    "segments",
    [
        [],
        [segment(" Improbable.", 0, 9.5, avg_logprob=-1.2)],
        [segment(" again and again" * 30, 0, 9.5)],
        [segment(" The tail is lost", 0, 5.0)],
    ],
)
def test_a_failed_block_is_decoded_again(segments: list[Segment]) -> None:
    assert judge(segments, BLOCK) is Verdict.AGAIN


def test_each_block_is_judged_in_its_place() -> None:
    blocks = [Span(second * RATE, (second + 10) * RATE) for second in (0, 20, 40, 60)]
    batched = [
        segment(" one", 0, 5),
        segment(" two", 5, 9.5, seek=0),
        segment(" silence", 20, 29.5, avg_logprob=-2.0, no_speech_prob=0.9),
        segment(" doubtful", 60, 69.5, avg_logprob=-2.0),
    ]

    def alone(block: Span) -> Iterator[Segment]:
        yield segment(f" again {block.start // RATE}", block.start / RATE, block.end / RATE)

    texts = [item.text for item in checked(batched, blocks, alone, threading.Event())]

    assert texts == [" one", " two", " again 40", " again 60"]


def test_a_stop_is_noticed_between_blocks() -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(StoppedError):
        list(checked([], [BLOCK], lambda _: [], stop))
