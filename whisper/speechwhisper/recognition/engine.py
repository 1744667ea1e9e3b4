"""The recognition engine: one model, many recordings.

Each recording has a thread that reads it, finds the speech, cuts it into blocks and computes their features, while it
is uploaded. The threads of the model (`batcher`) decode the blocks of all recordings together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition import prompts
from speechwhisper.recognition.batcher import Batcher
from speechwhisper.recognition.blocks import Block
from speechwhisper.recognition.cuda_errors import out_of_memory
from speechwhisper.recognition.detection import Detection
from speechwhisper.recognition.judging import Attempt
from speechwhisper.recognition.model import Request
from speechwhisper.recognition.prepare import Preparer, to_float
from speechwhisper.recognition.transcript import TranscriptionInfo
from speechwhisper.recognition.tuning import FULL_WINDOW
from speechwhisper.recognition.work import Recognition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from speechwhisper.audio.decode import Recording, Samples
    from speechwhisper.recognition.model import Model
    from speechwhisper.recognition.options import Options
    from speechwhisper.recognition.port import Batch, Stop
    from speechwhisper.recognition.transcript import Segment
    from speechwhisper.recognition.tuning import Tuning
    from speechwhisper.telemetry.spans import RecognitionTrace

    Extract = Callable[[Samples], NDArray[np.float32]]

_BLOCKS_AHEAD = 2
"""Blocks of a recording on their way beyond a full batch: one is prepared while others are decoded."""
DETECTION_SECONDS = 30.0
"""Whisper detects the language from one window."""


class Engine:
    """A `Decoder` around a loaded model, on one or several devices.

    Args:
        models: The model on each device.
        extract: Computes features, shape (mels, frames); called in several threads.
        tuning: How the model is used.
    """

    def __init__(self, models: Sequence[Model], extract: Extract, tuning: Tuning) -> None:
        self._models = models
        self._model = models[0]
        self._extract = extract
        self._tuning = tuning
        self._batcher = Batcher(models, tuning)
        self.languages: Collection[str] = frozenset(self._model.languages)

    @property
    def broken(self) -> bool:
        """Whether a device failed several times in a row, or lost its CUDA context."""
        return self._batcher.devices.broken is not None

    def on_broken(self, call: Callable[[], None]) -> None:
        """Call a function once a device is broken; see `recognition.port.Decoder`."""
        self._batcher.devices.on_broken(call)

    def on_batch(self, call: Callable[[Batch], None]) -> None:
        """Call a function with each batch; see `recognition.port.Decoder`."""
        self._batcher.on_batch(call)

    @property
    def batch_size(self) -> int:
        """Largest number of blocks that are decoded together."""
        return self._batcher.devices.largest_batch

    @property
    def audio_seconds_per_second(self) -> float:
        """The measured speed; 0 before the first measurement."""
        return self._batcher.audio_seconds_per_second

    def decode(
        self,
        recording: Recording,
        options: Options,
        emit: Callable[[Segment], None],
        stop: Stop,
        trace: RecognitionTrace | None = None,
    ) -> TranscriptionInfo:
        """Decode a recording while it is read; see `recognition.port.Decoder`."""
        recognition = Recognition(options, emit, stop, self._tuning.share_alone + _BLOCKS_AHEAD, trace)
        if len(self.languages) == 1:
            recognition.language = next(iter(self.languages))
        preparers: list[Preparer] = []
        try:
            for blocks in self._blocks(recording, options, stop, preparers):
                for block in blocks:
                    self._submit(recognition, block)
            recognition.wait_until_done()
        finally:
            self._batcher.discard(recognition)
        return TranscriptionInfo(
            recognition.language if recognition.has_words else options.language,
            recording.duration,
            sum(preparer.speech_seconds for preparer in preparers),
            sum(preparer.transcribed_seconds for preparer in preparers),
            recording.gaps,
            recording.damaged,
            recognition.doubtful,
            recognition.language_probability,
            missing=recording.missing,
        )

    def detect_language(self, recording: Recording, stop: Stop) -> tuple[str, float]:
        """Detect the language from the first 30 s of speech, or of a recording without speech."""
        preparer = Preparer(self._extract, longest_block=DETECTION_SECONDS, skip_silence=self._tuning.skip_silence)
        beginning: list[NDArray[np.int16]] = []
        blocks: list[Block] = []
        for chunk in recording.chunks():
            stop.check()
            self._batcher.devices.check()
            mixed = chunk[0]
            if sum(map(len, beginning)) < DETECTION_SECONDS * RATE:
                beginning.append(mixed)
            blocks = preparer.feed(mixed)
            if blocks:
                break
        block, *_ = blocks or preparer.finish() or [self._whole(beginning)]
        detection = Detection(block, stop)
        self._batcher.submit(detection)
        try:
            return detection.result()
        finally:
            self._batcher.discard(detection)

    def try_out(self, samples: Samples, *, full: bool) -> None:
        """Decode on every device what takes the most memory; exceptions of CTranslate2 pass through.

        Args:
            samples: Of one block.
            full: Whether it is a full batch, which becomes smaller until it fits; otherwise one block.
        """
        block = Block(0.0, (), self._extract(samples))
        searched = Request(block, Attempt(0.0, FULL_WINDOW, beam_search=True), (), "en", "transcribe")
        greedy = replace(searched, attempt=Attempt(0.0, FULL_WINDOW))
        for device, model in enumerate(self._models):
            model.decode([searched])
            if full:
                self._try_out_batch(device, model, searched if self._tuning.accurate else greedy)

    def close(self) -> None:
        """Stop the threads of the model."""
        self._batcher.close()

    def _try_out_batch(self, device: int, model: Model, request: Request) -> None:
        devices = self._batcher.devices
        while (size := devices.batch_size(device)) > 1:
            try:
                model.decode([request] * size)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                devices.batch_failed(device, size, error)
            else:
                return

    def _blocks(
        self, recording: Recording, options: Options, stop: Stop, preparers: list[Preparer]
    ) -> Iterator[list[Block]]:
        """Yield the blocks of all channels as they are complete, in the order of their start."""
        for chunk in recording.chunks():
            stop.check()
            self._batcher.devices.check()  # a slow upload need not arrive first
            if not preparers:
                channels = range(len(chunk)) if options.separate_channels else [None]
                preparers += [self._preparer(options, channel) for channel in channels]
            if any(preparer.is_due(chunk.shape[1]) for preparer in preparers):
                with self._batcher.preparing():
                    ready = _ordered([preparer.feed(row) for preparer, row in zip(preparers, chunk, strict=True)])
                yield ready  # outside: who takes the blocks may wait, and batches must not wait for that
            else:
                for preparer, row in zip(preparers, chunk, strict=True):
                    preparer.feed(row)
        with self._batcher.preparing():
            last = _ordered([preparer.finish() for preparer in preparers])
        yield last

    def _preparer(self, options: Options, channel: int | None) -> Preparer:
        skip = 2.0 if options.vad_filter else self._tuning.skip_silence
        return Preparer(self._extract, longest_block=self._tuning.longest_block, skip_silence=skip, channel=channel)

    def _submit(self, recognition: Recognition, block: Block) -> None:
        conditioned = self._tuning.condition_on_previous_text
        recognition.wait_for_room(1 if conditioned or recognition.language is None else None)
        prefix = self._prefix(recognition)
        windows = (FULL_WINDOW,) if recognition.language is None else self._tuning.windows_for(block.frames)
        # There are more ways to say the same in a translation.
        accurate = self._tuning.accurate or recognition.options.task == "translate"
        self._batcher.submit(recognition.work(block, prefix, windows, accurate=accurate))

    def _prefix(self, recognition: Recognition) -> tuple[int, ...]:
        """Return hotwords and prompt, or the text of the previous block."""
        options = recognition.options
        hotwords, prompt = prompts.fit(options.hotwords, options.prompt, self._model.tokenize)
        # Previous text and hotwords together could leave no tokens for the transcript.
        if self._tuning.condition_on_previous_text and recognition.previous and hotwords is None:
            return self._model.prefix(None, recognition.previous)
        return self._model.prefix(hotwords, self._model.tokens(prompt) if prompt else ())

    def _whole(self, chunks: Sequence[NDArray[np.int16]]) -> Block:
        samples = np.concatenate(chunks)[: int(DETECTION_SECONDS * RATE)]
        return Block(0.0, (), self._extract(to_float(samples)))


def _ordered(channels: Sequence[list[Block]]) -> list[Block]:
    return sorted((block for blocks in channels for block in blocks), key=lambda block: block.start)
