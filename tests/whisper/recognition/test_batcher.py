"""Blocks of all requests are decoded together; what fails is decoded again, and fails only its own request."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from speechwhisper.recognition import batcher as batching
from speechwhisper.recognition.batcher import Batcher
from speechwhisper.recognition.detection import Detection
from speechwhisper.recognition.guards import Doubtful
from speechwhisper.recognition.judging import Doubt
from speechwhisper.recognition.options import Options, Task
from speechwhisper.recognition.port import Batch, BrokenError, Stop, StoppedError
from speechwhisper.recognition.tuning import FULL_WINDOW, Tuning
from speechwhisper.recognition.work import Recognition
from whisper.scripted import DEADLINE
from whisper.scripted_weights import ScriptedWeights, block, decoded, improbable, several, silent

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from speechwhisper.recognition.blocks import Block
    from speechwhisper.recognition.model import Decoded, Request
    from speechwhisper.recognition.transcript import Segment

pytestmark = pytest.mark.unit

WINDOW = 1000
BLOCKER = 900.0
"""Start of the block that occupies the model while a test fills the queue."""
TEMPERATURES = (0.0, 0.2, 0.4)


SENTENCE = " The manner in which he spoke of it, and the smile that went with it, told her more than he had intended."
OTHER = " She looked at him with some surprise, and said nothing."


class Spoken:
    """A recording of the test, and what was emitted of it."""

    def __init__(self, batcher: Batcher, *, limit: int = 100, words: bool = False, task: Task = "transcribe") -> None:
        self.segments: list[Segment] = []
        self.stop = Stop()
        options = Options(temperatures=TEMPERATURES, word_timestamps=words, task=task)
        self.recognition = Recognition(options, self.segments.append, self.stop, limit)
        self._batcher = batcher

    def submit(self, *blocks: Block) -> None:
        for one in blocks:
            work = self.recognition.work(one, (), (WINDOW, FULL_WINDOW), accurate=False)
            self._batcher.submit(work)

    def texts(self) -> list[str]:
        """Wait until it is done."""
        self.recognition.wait_until_done()
        return [one.text for one in self.segments]


@pytest.fixture
def make() -> Iterator[Callable[..., Batcher]]:
    """Start a batcher over models; keyword arguments are those of the tuning."""
    made: list[tuple[Batcher, tuple[ScriptedWeights, ...]]] = []

    def begin(*models: ScriptedWeights, **tuning: int) -> Batcher:
        sizes = {"batch_size": 4, "share": 4, "share_alone": 4, **tuning}
        made.append((Batcher(models, Tuning(**sizes)), models))  # type: ignore[arg-type]
        return made[-1][0]

    yield begin
    for batcher, models in made:
        for model in models:
            model.go_on()
        batcher.close()


def occupy(model: ScriptedWeights, batcher: Batcher) -> Spoken:
    """Submit a block and wait until the held model decodes it; what is submitted now waits."""
    blocker = Spoken(batcher)
    blocker.submit(block(BLOCKER))
    assert model.entered() == [BLOCKER]
    return blocker


def test_segments_are_emitted_in_order_with_numbers(make: Callable[..., Batcher]) -> None:
    spoken = Spoken(make(ScriptedWeights()))

    spoken.submit(block(0), block(5), block(10))

    assert spoken.texts() == [" at 0", " at 5", " at 10"]
    assert [one.id for one in spoken.segments] == [0, 1, 2]


def test_blocks_that_are_done_early_wait_for_those_before_them(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        return improbable(request) if request.block.start == 0 and not request.attempt.full_window else decoded(request)

    model = ScriptedWeights(answer, hold=True)
    batcher = make(model)
    occupy(model, batcher)
    spoken = Spoken(batcher)
    spoken.submit(block(0), block(5))
    model.go_on(2)
    model.entered()
    assert model.entered() == [0]  # again, after both were decoded

    assert spoken.segments == []
    model.go_on()

    assert spoken.texts() == [" at 0", " at 5"]


def test_blocks_of_several_recordings_are_decoded_together(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    occupy(model, batcher)
    first, second = Spoken(batcher), Spoken(batcher)
    first.submit(block(0), block(5))
    second.submit(block(100))

    model.go_on()

    assert sorted(model.entered()) == [0, 5, 100]
    assert (first.texts(), second.texts()) == ([" at 0", " at 5"], [" at 100"])


def test_every_batch_is_reported(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    batches: list[Batch] = []
    batcher.on_batch(batches.append)
    blocker = occupy(model, batcher)
    several = Spoken(batcher)
    several.submit(block(), block(5.0))
    model.go_on()
    blocker.texts()
    several.texts()

    assert [batch.blocks for batch in batches] == [1, 2]
    assert {batch.window for batch in batches} == {WINDOW / 100}
    assert all(batch.wait >= 0 and batch.duration > 0 for batch in batches)


def test_the_first_block_of_a_request_does_not_wait_for_later_blocks_of_others(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model, share_alone=1, lanes=2)
    long, short = Spoken(batcher), Spoken(batcher)
    long.submit(block(0), block(5))
    assert model.entered() == [0]
    model.go_on(1)
    assert model.entered() == [5]

    short.submit(block(100))

    assert model.entered() == [100], "while the later block is decoded"
    model.go_on()
    assert (long.texts(), short.texts()) == ([" at 0", " at 5"], [" at 100"])


def test_first_blocks_are_decoded_together_rather_than_at_the_same_time(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model, lanes=2)
    occupy(model, batcher)
    spoken = [Spoken(batcher), Spoken(batcher)]
    spoken[0].submit(block(100))
    spoken[1].submit(block(200))

    model.go_on()

    assert sorted(model.entered()) == [100, 200]
    assert [one.texts() for one in spoken] == [[" at 100"], [" at 200"]]


def test_a_block_that_fails_is_tried_in_the_full_window_at_each_temperature(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        return decoded(request) if request.attempt.temperature == 0.2 else improbable(request)

    model = ScriptedWeights(answer)
    spoken = Spoken(make(model))

    spoken.submit(block())

    assert spoken.texts() == [" at 0"]
    tried = [(one.attempt.window, one.attempt.temperature) for one in model.requests]
    assert tried == [(WINDOW, 0.0), (FULL_WINDOW, 0.0), (FULL_WINDOW, 0.2)]
    assert spoken.recognition.doubtful == ()


def test_what_is_decoded_again_is_alone_in_its_batch(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        return decoded(request) if request.attempt.full_window else improbable(request)

    model = ScriptedWeights(answer, hold=True)
    batcher = make(model)
    occupy(model, batcher)
    spoken = Spoken(batcher)
    spoken.submit(block(0), block(5))

    model.go_on()

    assert spoken.texts() == [" at 0", " at 5"]
    assert sorted(len(batch) for batch in model.batches if batch[0].attempt.full_window) == [1, 1, 1]


def test_one_failing_block_is_retried_once_before_others_are_served(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        return improbable(request) if request.block.start == 0 else decoded(request)

    model = ScriptedWeights(answer, hold=True)
    batcher = make(model)
    music, command = Spoken(batcher), Spoken(batcher)
    music.submit(block(0))
    model.entered()
    command.submit(block(5))

    order = []
    for _ in range(2):
        model.go_on(1)
        order += model.entered()

    assert order == [0, 5]


def test_after_all_attempts_failed_the_most_probable_is_taken_and_doubted(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        temperature = request.attempt.temperature
        return decoded(request, f" hot {temperature}", avg_logprob=-1.5 if temperature == 0.2 else -2.0)

    model = ScriptedWeights(answer)
    spoken = Spoken(make(model))

    spoken.submit(block())

    assert spoken.texts() == [" hot 0.2"]
    assert spoken.segments[0].temperature == 0.2
    assert [one.reason for one in spoken.recognition.doubtful] == [Doubt.IMPROBABLE]
    assert len(model.requests) == 1 + len(TEMPERATURES)


@pytest.mark.parametrize(
    ("texts", "kept", "reason"),
    [
        ([" Thank you.", " Bye."] * 12, [" Thank you.", " Bye."], Doubt.REPETITION),
        ([SENTENCE, OTHER] * 8, [SENTENCE, OTHER], Doubt.REPETITION),
        ([SENTENCE * 4], [SENTENCE], Doubt.REPETITION),
        ([f"{OTHER} He laughed" + " ha" * 8 + " and left."], [f"{OTHER} He laughed ha and left."], Doubt.REPETITION),
        ([SENTENCE], [SENTENCE], Doubt.INCOMPLETE),
    ],
    ids=["two segments", "two sentences", "a long sentence", "syllables in text", "the token limit"],
)
def test_a_block_that_failed_every_attempt_is_doubtful_and_its_loop_is_cut(
    make: Callable[..., Batcher], texts: list[str], kept: list[str], reason: Doubt
) -> None:
    def answer(request: Request) -> Decoded:
        return several(request, *texts, complete=reason is not Doubt.INCOMPLETE)

    model = ScriptedWeights(answer)
    spoken = Spoken(make(model))

    spoken.submit(block(0, 30))

    assert spoken.texts() == kept
    assert spoken.recognition.doubtful == (Doubtful(0.0, pytest.approx(30), reason),)
    assert len(model.requests) == 1 + len(TEMPERATURES)


def test_what_is_said_a_few_times_stays_if_an_attempt_passes(make: Callable[..., Batcher]) -> None:
    said = [" Thank you.", " Bye."] * 2 + [OTHER]
    spoken = Spoken(make(ScriptedWeights(lambda request: several(request, *said))))

    spoken.submit(block(0, 10))

    assert spoken.texts() == said
    assert spoken.recognition.doubtful == ()


def test_text_that_failed_is_not_given_to_the_next_block(make: Callable[..., Batcher]) -> None:
    spoken = Spoken(make(ScriptedWeights(improbable)))

    spoken.submit(block(7))
    spoken.texts()

    assert spoken.recognition.previous == ()


def test_a_silent_block_has_no_segments(make: Callable[..., Batcher]) -> None:
    spoken = Spoken(make(ScriptedWeights(lambda request: (decoded if request.block.start else silent)(request))))

    spoken.submit(block(0), block(5))

    assert spoken.texts() == [" at 5"]
    assert spoken.recognition.doubtful == (Doubtful(0.0, 5.0, Doubt.NO_WORDS),)


def test_the_language_is_that_of_the_first_segments(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        return silent(request) if request.block.start == 0 else decoded(request, language="de")

    spoken = Spoken(make(ScriptedWeights(answer)))
    spoken.submit(block(0))
    spoken.texts()
    assert spoken.recognition.language is None

    spoken.submit(block(5))
    spoken.texts()

    assert (spoken.recognition.language, spoken.recognition.language_probability) == ("de", 0.75)


def test_the_lost_end_of_a_block_is_decoded_again(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        return decoded(request, last_end=4.0 if request.block.start == 0 else None)

    model = ScriptedWeights(answer)
    spoken = Spoken(make(model))

    spoken.submit(block(0, 10), block(10))

    assert spoken.texts() == [" at 0", " at 4", " at 10"]
    assert [(one.start, one.end) for one in spoken.segments[:2]] == [(0, 4), (4, pytest.approx(10))]
    tries = [(one.block.start, one.block.seconds, one.attempt.full_window) for one in model.requests]
    assert [one for one in tries if one[0] < 10] == [(0, 10.0, False), (0, 10.0, True), (4, 6.0, True)]


@pytest.mark.parametrize("task", ["transcribe", "translate"])
def test_the_lost_end_is_searched_for_with_beams(make: Callable[..., Batcher], task: Task) -> None:
    model = ScriptedWeights(lambda request: decoded(request, last_end=None if request.block.start else 4.0))
    spoken = Spoken(make(model), task=task)

    spoken.submit(block(0, 10))

    assert spoken.texts() == [" at 0", " at 4"]
    *_, last = model.requests
    assert (last.attempt.temperature, last.attempt.full_window, last.attempt.beam_search) == (0.0, True, True)


def test_the_end_is_not_decoded_again_if_hardly_anything_precedes_it(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(lambda request: decoded(request, last_end=0.9))
    spoken = Spoken(make(model))

    spoken.submit(block(0, 10))

    assert spoken.texts() == [" at 0"]
    assert [request.attempt.full_window for request in model.requests] == [False, True]


@pytest.mark.parametrize("words", [False, True])
def test_text_behind_the_end_of_a_block_overlaps_nothing(make: Callable[..., Batcher], *, words: bool) -> None:
    def answer(request: Request) -> Decoded:
        answered = several(request, OTHER, " And", " so on.")
        said, *behind = answered.segments
        end = request.block.start + request.block.seconds
        segments = replace(said, end=end), *(replace(one, start=end, end=end) for one in behind)
        return replace(answered, segments=segments)

    spoken = Spoken(make(ScriptedWeights(answer)), words=words)

    spoken.submit(block(100, 10), block(110, 10))

    assert spoken.texts() == [f"{OTHER} And so on."] * 2
    assert [(one.start, one.end) for one in spoken.segments] == [
        (pytest.approx(100), pytest.approx(110)),
        (pytest.approx(110), pytest.approx(120)),
    ]


def test_words_are_aligned_only_if_requested(make: Callable[..., Batcher]) -> None:
    batcher = make(ScriptedWeights())
    plain, timed = Spoken(batcher), Spoken(batcher, words=True)
    plain.submit(block())
    timed.submit(block())
    plain.texts()
    timed.texts()

    assert plain.segments[0].words is None
    assert [word.text for word in timed.segments[0].words or ()] == [" word"]


BAD = 1000.0
"""Blocks that start here or later cannot be decoded."""
FAULT = "this block cannot be decoded"


CONTEXT_LOST = RuntimeError("CUDA failed with error an illegal memory access was encountered")
"""CTranslate2's words."""


def loses_its_context(_: Request) -> Decoded:
    raise CONTEXT_LOST


def fails_at_bad(request: Request) -> Decoded:
    if request.block.start >= BAD:
        raise RuntimeError(FAULT)
    return decoded(request)


def test_a_block_that_raises_fails_only_its_own_recording(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(fails_at_bad, hold=True)
    batcher = make(model)
    occupy(model, batcher)
    good, bad = Spoken(batcher), Spoken(batcher)
    good.submit(block(0), block(5))
    bad.submit(block(BAD))

    model.go_on()

    with pytest.raises(RuntimeError, match=FAULT):
        bad.texts()
    assert good.texts() == [" at 0", " at 5"]
    assert batcher.devices.broken is None


def test_all_blocks_of_a_bad_recording_are_one_failure(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(fails_at_bad, hold=True)
    batcher = make(model)
    blocker = occupy(model, batcher)
    bad = Spoken(batcher)
    bad.submit(*(block(BAD + number) for number in range(4)))

    model.go_on()

    with pytest.raises(RuntimeError, match=FAULT):
        bad.texts()
    blocker.submit(block(0))
    blocker.texts()
    alone = [batch[0].block.start for batch in model.batches if len(batch) == 1]
    assert alone == [BLOCKER, BAD, 0]
    assert batcher.devices.broken is None


def test_words_that_cannot_be_aligned_fail_only_their_own_recording(make: Callable[..., Batcher]) -> None:
    def unaligned(_: object) -> tuple[Segment, ...]:
        raise RuntimeError(FAULT)

    def answer(request: Request) -> Decoded:
        if request.block.start == 0 and not request.attempt.full_window:
            return improbable(request)
        return decoded(request, words=unaligned if request.block.start == BAD else None)

    model = ScriptedWeights(answer, hold=True)
    batcher = make(model)
    occupy(model, batcher)
    again, good, bad = Spoken(batcher), Spoken(batcher, words=True), Spoken(batcher, words=True)
    again.submit(block(0))
    good.submit(block(5))
    bad.submit(block(BAD))

    model.go_on()

    with pytest.raises(RuntimeError, match=FAULT):
        bad.texts()
    assert (again.texts(), good.texts()) == ([" at 0"], [" at 5"])
    starts = [request.block.start for request in model.requests]
    assert starts == [BLOCKER, 0, 5, BAD, 0]


def test_three_failures_in_a_row_mean_that_the_device_is_broken(make: Callable[..., Batcher]) -> None:
    batcher = make(ScriptedWeights(fails_at_bad))

    for number in range(3):
        assert batcher.devices.broken is None
        spoken = Spoken(batcher)
        spoken.submit(block(BAD + number))
        with pytest.raises(BrokenError if number == 2 else RuntimeError):
            spoken.texts()

    assert batcher.devices.broken
    with pytest.raises(BrokenError, match="failed 3 times in a row"):
        Spoken(batcher).submit(block())
    with pytest.raises(BrokenError, match="failed 3 times in a row"):
        batcher.devices.check()


def test_the_failure_that_breaks_the_device_is_told_as_such(make: Callable[..., Batcher]) -> None:
    batcher = make(ScriptedWeights(loses_its_context))
    called = threading.Event()
    batcher.devices.on_broken(called.set)
    spoken = Spoken(batcher)

    spoken.submit(block())

    with pytest.raises(BrokenError, match="lost its CUDA context") as raised:
        spoken.texts()
    assert raised.value.__cause__ is CONTEXT_LOST
    assert called.wait(DEADLINE)
    assert batcher.devices.broken


def test_who_asks_later_learns_at_once_that_a_device_is_broken(make: Callable[..., Batcher]) -> None:
    batcher = make(ScriptedWeights(loses_its_context))
    spoken = Spoken(batcher)
    spoken.submit(block())
    with pytest.raises(BrokenError):
        spoken.texts()
    called = threading.Event()

    batcher.devices.on_broken(called.set)

    assert called.is_set()


def test_those_that_wait_for_a_broken_device_fail_without_being_decoded(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(loses_its_context, hold=True)
    batcher = make(model)
    blocker = occupy(model, batcher)
    waiting, other = Spoken(batcher), Spoken(batcher)
    waiting.submit(block(0), block(5))
    other.submit(block(100))

    model.go_on()

    for spoken in (blocker, waiting, other):
        with pytest.raises(BrokenError, match="lost its CUDA context"):
            spoken.texts()
    assert [request.block.start for request in model.requests] == [BLOCKER]


def test_once_the_device_is_broken_the_rest_of_a_batch_is_not_tried(make: Callable[..., Batcher]) -> None:
    def answer(request: Request) -> Decoded:
        return decoded(request) if request.block.start == BLOCKER else loses_its_context(request)

    model = ScriptedWeights(answer, hold=True)
    batcher = make(model)
    occupy(model, batcher)
    first, second = Spoken(batcher), Spoken(batcher)
    first.submit(block(0))
    second.submit(block(100))

    model.go_on()

    for spoken in (first, second):
        with pytest.raises(BrokenError, match="lost its CUDA context"):
            spoken.texts()
    assert [len(batch) for batch in model.batches] == [1, 2, 1]


def test_a_device_is_broken_although_another_works(make: Callable[..., Batcher]) -> None:
    bad, good = ScriptedWeights(fails_at_bad, hold=True), ScriptedWeights(hold=True)
    batcher = make(bad, good, batch_size=1)

    for number in range(3):  # in turn: one block at each device
        assert batcher.devices.broken is None
        spoken, other = Spoken(batcher), Spoken(batcher)
        spoken.submit(block(BAD + number))
        other.submit(block(BAD + number))
        assert (bad.entered(), good.entered()) == ([BAD + number], [BAD + number])
        good.go_on(1)
        bad.go_on(1)
        outcomes = [outcome(one) for one in (spoken, other)]
        assert sorted(outcomes) == sorted([[], [f" at {BAD + number:g}"]])

    assert batcher.devices.broken


def outcome(spoken: Spoken) -> list[str]:
    """What was understood; nothing if it failed."""
    try:
        return spoken.texts()
    except (RuntimeError, BrokenError):
        return []


def test_failed_detections_of_a_language_count_too(make: Callable[..., Batcher]) -> None:
    def language(block: Block) -> tuple[str, float]:
        if block.start == BAD:
            raise RuntimeError(FAULT)
        return "de", 0.75

    batcher = make(ScriptedWeights(language=language))

    for start in (BAD, BAD, 0.0, BAD, BAD):
        detection = detect(batcher, block(start))
        if start:
            with pytest.raises(RuntimeError, match=FAULT):
                detection.result()
        else:
            assert detection.result() == ("de", 0.75)
    with pytest.raises(BrokenError, match="failed 3 times in a row"):
        detect(batcher, block(BAD)).result()


def detect(batcher: Batcher, beginning: Block, stop: Stop | None = None) -> Detection:
    """Submit the detection of a language."""
    detection = Detection(beginning, stop or Stop())
    batcher.submit(detection)
    return detection


def test_detections_take_their_turn_and_are_made_together(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    occupy(model, batcher)
    spoken = Spoken(batcher)
    spoken.submit(block(0))
    detections = [detect(batcher, block(100)), detect(batcher, block(200))]
    later = Spoken(batcher)
    later.submit(block(300))
    assert model.detections == []

    model.go_on()

    assert [detection.result() for detection in detections] == [("de", 0.75)] * 2
    assert (spoken.texts(), later.texts()) == ([" at 0"], [" at 300"])
    assert [model.entered() for _ in range(2)] == [[0, 300], [100, 200]]
    assert [window for _, window in model.detections] == [FULL_WINDOW]


def test_a_detection_does_not_wait_for_later_blocks_of_others(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model, share_alone=1, lanes=2)
    long = Spoken(batcher)
    long.submit(block(0), block(5))
    assert model.entered() == [0]
    model.go_on(1)
    assert model.entered() == [5]

    detection = detect(batcher, block(100))

    assert model.entered() == [100], "while the later block is decoded"
    model.go_on()
    assert detection.result() == ("de", 0.75)


def test_a_stop_wakes_the_thread_that_waits_for_a_language(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    detection = detect(batcher, block(0), stop := Stop())
    model.entered()
    raised = threading.Event()

    def waits() -> None:
        with pytest.raises(StoppedError):
            detection.result()
        raised.set()

    threading.Thread(target=waits, daemon=True).start()
    stop.set()

    assert raised.wait(DEADLINE)  # although the model still works on it


def test_closing_fails_the_detections_that_wait(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    occupy(model, batcher)
    detection = detect(batcher, block(0))
    with batcher._changed:  # closed before the batch is done
        batcher._closed = True

    model.go_on()

    with pytest.raises(BrokenError, match="stopped"):
        detection.result()


OUT_OF_MEMORY = RuntimeError("CUDA failed with error out of memory")


def test_a_device_without_memory_for_a_batch_gets_smaller_ones_from_then_on(
    make: Callable[..., Batcher], caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedWeights(memory=4, hold=True)
    batcher = make(model, batch_size=12, share=12, share_alone=12)
    occupy(model, batcher)
    first = Spoken(batcher)
    first.submit(*(block(5.0 * number) for number in range(12)))

    model.go_on()

    assert first.texts() == [f" at {5 * number}" for number in range(12)]
    assert [len(batch) for batch in model.batches] == [1, 12, 6, 3, 3, 3, 3]
    failed = [record for record in caplog.records if record.message == "a batch failed"]
    assert [(fields(one)["blocks"], fields(one)["reason"]) for one in failed] == [
        (12, str(OUT_OF_MEMORY)),
        (6, str(OUT_OF_MEMORY)),
    ]
    smaller = "batches are smaller from now on: the device is out of memory"
    assert [fields(one)["batch_size"] for one in caplog.records if one.message == smaller] == [6, 3]
    assert (batcher.devices.largest_batch, batcher.devices.broken) == (3, None)

    second = Spoken(batcher)
    second.submit(*(block(5.0 * number) for number in range(12)))
    second.texts()
    assert max(len(batch) for batch in model.batches[7:]) <= 3


def test_only_the_batches_of_the_device_without_memory_are_smaller(make: Callable[..., Batcher]) -> None:
    batcher = make(ScriptedWeights(), ScriptedWeights())

    batcher.devices.batch_failed(1, 4, OUT_OF_MEMORY)

    assert [batcher.devices.batch_size(device) for device in range(2)] == [4, 2]


def test_a_batch_that_fails_for_another_reason_is_logged_and_no_batch_is_smaller(
    make: Callable[..., Batcher], caplog: pytest.LogCaptureFixture
) -> None:
    model = ScriptedWeights(fails_at_bad, hold=True)
    batcher = make(model)
    occupy(model, batcher)
    good, bad = Spoken(batcher), Spoken(batcher)
    good.submit(block(0))
    bad.submit(block(BAD))

    model.go_on()

    assert good.texts() == [" at 0"]
    with pytest.raises(RuntimeError, match=FAULT):
        bad.texts()
    (failed,) = (record for record in caplog.records if record.message == "a batch failed")
    assert (failed.levelname, fields(failed)) == ("WARNING", {"device": 0, "blocks": 2, "reason": FAULT})
    assert batcher.devices.largest_batch == 4


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What a line of the log says besides its message."""
    return vars(record)["fields"]  # type: ignore[no-any-return]


def test_a_success_between_failures_means_that_the_device_works(make: Callable[..., Batcher]) -> None:
    batcher = make(ScriptedWeights(fails_at_bad))

    for start in (BAD, BAD, 0.0, BAD, BAD):
        spoken = Spoken(batcher)
        spoken.submit(block(start))
        if start:
            with pytest.raises(RuntimeError, match=FAULT):
                spoken.texts()
        else:
            spoken.texts()

    assert batcher.devices.broken is None


def test_closing_fails_those_that_wait_and_lets_the_batch_finish(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    decoding = occupy(model, batcher)
    waiting = Spoken(batcher)
    waiting.submit(block(0))
    closing = threading.Thread(target=batcher.close, daemon=True)
    with batcher._changed:  # closed before the batch is done
        batcher._closed = True

    model.go_on()
    closing.start()
    closing.join(DEADLINE)

    assert not closing.is_alive()
    assert decoding.texts() == [f" at {BLOCKER:g}"]
    with pytest.raises(BrokenError, match="stopped"):
        waiting.texts()
    with pytest.raises(BrokenError, match="stopped"):
        Spoken(batcher).submit(block(0))


def test_a_stopped_recording_is_not_decoded(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    occupy(model, batcher)
    stopped, other = Spoken(batcher), Spoken(batcher)
    stopped.submit(block(0), block(5))
    other.submit(block(100))

    stopped.stop.set()
    model.go_on()

    assert other.texts() == [" at 100"]
    assert {request.block.start for request in model.requests} == {BLOCKER, 100}
    assert stopped.segments == []


def test_a_discarded_recording_is_not_decoded(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    occupy(model, batcher)
    discarded, other = Spoken(batcher), Spoken(batcher)
    discarded.submit(block(0), block(5))
    other.submit(block(100))

    batcher.discard(discarded.recognition)
    model.go_on()

    other.texts()
    assert {request.block.start for request in model.requests} == {BLOCKER, 100}


@pytest.mark.parametrize("wait", ["wait_until_done", "wait_for_room"])
def test_a_stop_wakes_the_thread_that_waits_for_the_model(make: Callable[..., Batcher], wait: str) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model)
    spoken = Spoken(batcher, limit=1)
    spoken.submit(block(0))
    model.entered()
    raised: list[BaseException] = []

    def waits() -> None:
        try:
            getattr(spoken.recognition, wait)()
        except StoppedError as error:
            raised.append(error)

    thread = threading.Thread(target=waits, daemon=True)
    thread.start()
    spoken.stop.set()
    thread.join(DEADLINE)

    assert len(raised) == 1  # although the model still decodes its block
    model.go_on()
    batcher.close()
    assert spoken.segments == []


def test_what_fails_after_a_stop_is_not_decoded_again(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(improbable, hold=True)
    batcher = make(model)
    spoken = Spoken(batcher)
    spoken.submit(block(0))
    model.entered()

    spoken.stop.set()
    model.go_on()
    batcher.close()

    assert len(model.requests) == 1


def test_a_batch_waits_for_a_block_that_is_being_prepared(
    make: Callable[..., Batcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "_MAX_WAIT_S", 1000.0)
    model = ScriptedWeights()
    batcher = make(model)
    first, second = Spoken(batcher), Spoken(batcher)

    with batcher.preparing():
        first.submit(block(0))
        second.submit(block(100))

    assert sorted(model.entered()) == [0, 100]


def test_a_full_batch_does_not_wait(make: Callable[..., Batcher], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "_MAX_WAIT_S", 1000.0)
    model = ScriptedWeights()
    batcher = make(model, batch_size=2)
    spoken = Spoken(batcher)

    with batcher.preparing():
        spoken.submit(block(0), block(5))
        assert model.entered() == [0, 5]


def test_nothing_is_waited_for_if_nothing_is_being_prepared(
    make: Callable[..., Batcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "_MAX_WAIT_S", 1000.0)
    model = ScriptedWeights()

    Spoken(make(model)).submit(block(0))

    assert model.entered() == [0]


def test_a_block_that_takes_long_to_prepare_is_not_waited_for(
    make: Callable[..., Batcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "_MAX_WAIT_S", 0.0)
    model = ScriptedWeights()
    batcher = make(model)

    with batcher.preparing():
        Spoken(batcher).submit(block(0))
        assert model.entered() == [0]


def test_each_device_decodes_a_batch_of_its_own(make: Callable[..., Batcher]) -> None:
    models = [ScriptedWeights(hold=True), ScriptedWeights(hold=True)]
    spoken = Spoken(make(*models, batch_size=1))

    spoken.submit(block(0), block(5))

    assert sorted(models[0].entered() + models[1].entered()) == [0, 5]
    models[1].go_on()
    models[0].go_on()
    assert spoken.texts() == [" at 0", " at 5"]


def test_lanes_that_work_at_the_same_time_count_once(make: Callable[..., Batcher]) -> None:
    model = ScriptedWeights(hold=True)
    batcher = make(model, share_alone=1, lanes=2)
    long, short = Spoken(batcher), Spoken(batcher)
    long.submit(block(0), block(5))
    model.entered()
    model.go_on(1)
    model.entered()

    short.submit(block(100))
    model.entered()

    assert batcher._speeds[0]._batches == 2
    model.go_on()
    long.texts()
    short.texts()
    batcher.close()
    assert batcher._speeds[0]._batches == 0


def test_the_speed_is_unknown_before_the_first_batch(make: Callable[..., Batcher]) -> None:
    assert make(ScriptedWeights()).audio_seconds_per_second == 0
