"""Each block that the model decodes is a span of its recording, with links to the recordings in the same batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from opentelemetry.trace import StatusCode

from kept_spans import KeptSpans, attributes, id_of, parent_of, trace_of
from speechwhisper.recognition.batcher import Batcher
from speechwhisper.recognition.options import Options
from speechwhisper.recognition.port import Batch, Stop, StoppedError
from speechwhisper.recognition.tuning import FULL_WINDOW, Tuning
from speechwhisper.recognition.work import Recognition
from speechwhisper.telemetry.spans import RecognitionTrace, Tracing
from whisper.scripted_weights import ScriptedWeights, block, decoded, improbable, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from speechwhisper.recognition.blocks import Block
    from speechwhisper.recognition.model import Decoded, Request
    from speechwhisper.recognition.transcript import Segment

    Start = Callable[[ScriptedWeights], Batcher]

pytestmark = pytest.mark.unit

DECODED = "decode block"
WINDOW = 1000
BLOCKER = 900.0
"""Start of the block that occupies the model while a test fills the queue."""


class Recorded:
    """A recording of the test; traced, unless `tracing` is None."""

    def __init__(self, tracing: Tracing | None = None) -> None:
        self.segments: list[Segment] = []
        self.trace: RecognitionTrace | None = None
        if tracing:
            self.trace = tracing.request("POST", "/asr", "/asr", {}).recognition()
        options = Options(temperatures=(0.0, 0.2))
        self.stop = Stop()
        self.recognition = Recognition(options, self.segments.append, self.stop, 100, self.trace)

    def submit(self, batcher: Batcher, *blocks: Block) -> None:
        for one in blocks:
            batcher.submit(self.recognition.work(one, (), (WINDOW, FULL_WINDOW), accurate=False))

    def finish(self) -> None:
        self.recognition.wait_until_done()
        if self.trace:
            self.trace.end({})


@pytest.fixture
def spans() -> KeptSpans:
    return KeptSpans()


@pytest.fixture
def tracing(spans: KeptSpans) -> Tracing:
    return Tracing(spans.provider, "tiny")


@pytest.fixture
def start() -> Iterator[Callable[[ScriptedWeights], Batcher]]:
    """Start a batcher over a model."""
    made: list[tuple[Batcher, ScriptedWeights]] = []

    def begin(model: ScriptedWeights) -> Batcher:
        made.append((Batcher([model], Tuning(batch_size=4, share=4, share_alone=4)), model))
        return made[-1][0]

    yield begin
    for batcher, model in made:
        model.go_on()
        batcher.close()


def test_a_block_has_its_times_in_the_recording_and_how_it_was_decoded(
    start: Start, spans: KeptSpans, tracing: Tracing
) -> None:
    recorded = Recorded(tracing)

    recorded.submit(start(ScriptedWeights()), block(12.5, 5.0))
    recorded.finish()

    one = spans.one(DECODED)
    found = attributes(one)
    assert found.pop("speech.block.waited_seconds") >= 0
    assert found == {
        "speech.block.start": 12.5,
        "speech.block.end": 17.5,
        "speech.block.attempt": 1,
        "speech.block.temperature": 0.0,
        "speech.block.beam_search": False,
        "speech.block.judgement": "keep",
        "speech.batch.blocks": 1,
        "speech.batch.window_seconds": 10.0,
    }
    recognition = spans.one("transcribe tiny")
    assert (parent_of(one), trace_of(one)) == (id_of(recognition), trace_of(recognition))


def test_a_batch_has_the_trace_of_its_first_block(start: Start, spans: KeptSpans, tracing: Tracing) -> None:
    batcher, batches = start(ScriptedWeights()), list[Batch]()
    batcher.on_batch(batches.append)

    for recorded in (Recorded(tracing), Recorded()):
        recorded.submit(batcher, block())
        recorded.finish()

    assert [batch.trace_id for batch in batches] == [trace_of(spans.one(DECODED)), ""]


def test_a_span_is_over_before_its_segments_are_passed_on(start: Start, spans: KeptSpans, tracing: Tracing) -> None:
    """So that the request cannot end first."""
    recorded = Recorded(tracing)
    ended: list[int] = []
    emit = recorded.segments.append
    recorded.recognition._emit = lambda segment: (ended.append(len(spans.named(DECODED))), emit(segment))[1]

    recorded.submit(start(ScriptedWeights()), block())
    recorded.finish()

    assert ended == [1]


def test_each_attempt_at_a_block_is_a_span_and_the_last_one_in_doubt_says_so(
    start: Start, spans: KeptSpans, tracing: Tracing
) -> None:
    recorded = Recorded(tracing)

    recorded.submit(start(ScriptedWeights(improbable)), block())
    recorded.finish()

    attempts = [attributes(span) for span in spans.named(DECODED)]
    assert [one["speech.block.attempt"] for one in attempts] == [1, 2, 3]
    assert [one["speech.block.temperature"] for one in attempts] == [0.0, 0.0, 0.2]
    assert [one["speech.block.beam_search"] for one in attempts] == [False, True, False]
    assert [one["speech.block.judgement"] for one in attempts] == ["again", "again", "doubtful"]


def test_attempts_at_the_rest_of_a_block_are_counted_on(start: Start, spans: KeptSpans, tracing: Tracing) -> None:
    model = ScriptedWeights(lambda request: decoded(request, last_end=None if request.block.start else 4.0))
    recorded = Recorded(tracing)

    recorded.submit(start(model), block(seconds=9.0))
    recorded.finish()

    attempts = [attributes(span) for span in spans.named(DECODED)]
    starts = [(one["speech.block.start"], one["speech.block.attempt"]) for one in attempts]
    assert starts == [(0.0, 1), (0.0, 2), (4.0, 3)]


def test_a_block_of_a_batch_that_failed_is_attempted_again(start: Start, spans: KeptSpans, tracing: Tracing) -> None:
    failures = iter([RuntimeError("CUDA failed with error out of memory")])

    def fail_once(request: Request) -> Decoded:
        if request.block.start != BLOCKER and (failure := next(failures, None)):
            raise failure
        return decoded(request)

    model = ScriptedWeights(fail_once, hold=True)
    batcher = start(model)
    blocker, recorded = Recorded(), Recorded(tracing)
    blocker.submit(batcher, block(BLOCKER))
    assert model.entered() == [BLOCKER]
    recorded.submit(batcher, block(1.0), block(11.0))

    model.go_on()
    for one in (blocker, recorded):
        one.finish()

    found = [attributes(span) for span in spans.named(DECODED)]
    attempts = sorted((one["speech.block.start"], one["speech.block.attempt"], "error.type" in one) for one in found)
    assert attempts == [(1.0, 1, True), (1.0, 2, False), (11.0, 1, True), (11.0, 2, False)]


def test_a_block_that_is_decoded_when_its_client_has_disconnected_is_still_a_span(
    start: Start, spans: KeptSpans, tracing: Tracing, caplog: pytest.LogCaptureFixture
) -> None:
    """And nothing is added to the span of the recognition, which has ended."""
    model = ScriptedWeights(hold=True)
    batcher = start(model)
    recorded = Recorded(tracing)
    recorded.submit(batcher, block(1.0))
    assert model.entered() == [1.0]

    recorded.stop.set()
    with pytest.raises(StoppedError):
        recorded.finish()
    assert recorded.trace
    recorded.trace.end({}, error_type="cancelled")
    model.go_on()
    batcher.close()

    recognition, one = spans.one("transcribe tiny"), spans.one(DECODED)
    assert parent_of(one) == id_of(recognition)
    assert (one.end_time or 0) >= (recognition.end_time or 0)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("opentelemetry")] == []


def test_a_block_in_which_nobody_speaks_is_silent(start: Start, spans: KeptSpans, tracing: Tracing) -> None:
    recorded = Recorded(tracing)

    recorded.submit(start(ScriptedWeights(silent)), block())
    recorded.finish()

    assert [attributes(span)["speech.block.judgement"] for span in spans.named(DECODED)] == ["again", "silent"]


def test_blocks_of_several_recordings_in_one_batch_have_links_to_each_other(
    start: Start, spans: KeptSpans, tracing: Tracing
) -> None:
    model = ScriptedWeights(hold=True)
    batcher = start(model)
    blocker, untraced = Recorded(), Recorded()
    blocker.submit(batcher, block(BLOCKER))
    assert model.entered() == [BLOCKER]
    first, second = Recorded(tracing), Recorded(tracing)
    first.submit(batcher, block(1.0))
    second.submit(batcher, block(2.0))
    untraced.submit(batcher, block(3.0))

    model.go_on()
    for recorded in (blocker, first, second, untraced):
        recorded.finish()

    one, other = sorted(spans.named(DECODED), key=lambda span: attributes(span)["speech.block.start"])
    linked = [[f"{link.context.trace_id:032x}" for link in span.links] for span in (one, other)]
    assert linked == [[trace_of(other)], [trace_of(one)]]
    assert attributes(one)["speech.batch.blocks"] == attributes(other)["speech.batch.blocks"] == 3
    assert (one.start_time, one.end_time) == pytest.approx((other.start_time, other.end_time), abs=5e6)


def test_a_block_on_which_the_model_fails_is_an_error(start: Start, spans: KeptSpans, tracing: Tracing) -> None:
    def fail(request: Request) -> Decoded:
        del request
        raise RuntimeError("CUDA failed with error out of memory")

    recorded = Recorded(tracing)

    recorded.submit(start(ScriptedWeights(fail)), block())
    with pytest.raises(RuntimeError, match="CUDA failed"):
        recorded.finish()

    one = spans.one(DECODED)
    assert (one.status.status_code, attributes(one)["error.type"]) == (StatusCode.ERROR, "RuntimeError")


def test_channels_are_told_apart(start: Start, spans: KeptSpans, tracing: Tracing) -> None:
    recorded = Recorded(tracing)

    recorded.submit(start(ScriptedWeights()), replace(block(), channel=1))
    recorded.finish()

    assert attributes(spans.one(DECODED))["speech.block.channel"] == 1
