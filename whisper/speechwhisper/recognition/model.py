"""The model on one device: encodes and decodes batches of blocks with CTranslate2.

Within a batch, all prompts have the same length and the start-of-transcript token at the same position; languages and
tasks may differ (CTranslate2 4.8, `src/models/whisper.cc`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import ctranslate2
import numpy as np
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from speechwhisper.recognition import segments as splitting
from speechwhisper.recognition.judging import Result
from speechwhisper.recognition.transcript import Segment, Word
from speechwhisper.recognition.tuning import FULL_WINDOW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faster_whisper import WhisperModel
    from numpy.typing import NDArray

    from speechwhisper.recognition.blocks import Block
    from speechwhisper.recognition.judging import Attempt
    from speechwhisper.recognition.options import Task

MAX_LENGTH = 448
"""Positions of Whisper's decoder, prompt included."""

_TOKENS_PER_SECOND = 12
_MIN_TOKENS = 24
"""Limit of a first attempt: what loops would otherwise hold up its batch. No language needs more; if one does, the
next attempt has no limit."""

_MEASURED_TOKENS = 20
"""Of about four seconds of speech."""

_SAMPLES = 5
"""Texts sampled at temperatures above 0, of which the most probable is taken (`best_of` of openai-whisper)."""
_MAX_INITIAL_TIMESTAMP = 50
"""The first segment begins in the first second, as in openai-whisper; in units of 20 ms."""

_DYNAMIC_RANGE = 2.0
"""Of the log-Mel spectrogram, 80 dB; digital silence is at its bottom (`log_mel_spectrogram` of openai-whisper).

faster-whisper pads with 0 instead, which is quiet noise. So does this in the full window, to hear the same words. In a
window that fits the block, the model would then repeat itself more often and hear other words.
"""

# As in faster-whisper's `transcribe`.
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001 - punctuation of Chinese and Japanese


@dataclass(frozen=True, slots=True)
class Request:
    """A block to decode.

    Attributes:
        block: The audio.
        attempt: How it is decoded.
        prefix: Tokens before the transcript: hotwords and previous text, with their start token; or none.
        language: A code; None detects it.
        task: Transcribe or translate.
    """

    block: Block
    attempt: Attempt
    prefix: tuple[int, ...]
    language: str | None
    task: Task


@dataclass(frozen=True)
class Decoded:
    """A decoded block.

    Attributes:
        result: For judging.
        segments: With times of the recording, without words.
        language: Requested or detected.
        language_probability: Of a detected language.
    """

    result: Result
    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None
    _words: Callable[[tuple[Segment, ...]], tuple[Segment, ...]]

    @cached_property
    def segments_with_words(self) -> tuple[Segment, ...]:
        """The segments with the times of their words, which are aligned now."""
        return self._words(self.segments)


class Model:
    """A loaded faster-whisper model; may be used by several threads."""

    def __init__(self, whisper: WhisperModel, beam_size: int) -> None:
        self._whisper = whisper
        self._beam_size = beam_size
        self._tokenizers: dict[tuple[str, str], Tokenizer] = {}
        self.languages: tuple[str, ...] = tuple(whisper.supported_languages)
        self._suppressed = list(get_suppressed_tokens(self._tokenizer("transcribe", "en"), [-1]))

    @cached_property
    def width(self) -> int:
        """The dimension of the encoder's states: 384 for tiny, 512 for base, 1280 for large-v3."""
        frame = np.zeros((self._whisper.model.n_mels, 2), dtype=np.float32)
        return int(np.shape(self._encoded([frame], frame.shape[1]))[-1])

    def decode(self, requests: Sequence[Request]) -> list[Decoded]:
        """Decode blocks that share attempt and length of prefix; exceptions of CTranslate2 pass through."""
        encoded = self._encode(requests)
        languages = self._languages(requests, encoded)
        tokenizers = [
            self._tokenizer(request.task, language) for request, (language, _) in zip(requests, languages, strict=True)
        ]
        prompts = [
            [*request.prefix, *tokenizer.sot_sequence] for request, tokenizer in zip(requests, tokenizers, strict=True)
        ]
        limit = self._limit(requests, len(prompts[0]))
        found = self._whisper.model.generate(
            encoded,
            prompts,
            max_length=len(prompts[0]) + limit,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed,
            max_initial_timestamp_index=_MAX_INITIAL_TIMESTAMP,
            **self._search(requests[0].attempt),
        )
        return [
            self._decoded(request, tokenizer, one, limit, language, partial(_row, encoded, at))
            for at, (request, tokenizer, one, language) in enumerate(
                zip(requests, tokenizers, found, languages, strict=True)
            )
        ]

    def seconds_for(self, features: NDArray[np.float32], window: int, count: int) -> float:
        """Return how long a batch of equal blocks takes in which a few words are said, whatever the audio."""
        tokenizer = self._tokenizer("transcribe", "en")
        prompt = list(tokenizer.sot_sequence)
        since = time.monotonic()
        self._whisper.model.generate(
            self._encoded([features] * count, window),
            [prompt] * count,
            max_length=len(prompt) + _MEASURED_TOKENS,
            suppress_tokens=[*self._suppressed, tokenizer.eot],
            beam_size=1,
        )
        return time.monotonic() - since

    def detect(self, blocks: Sequence[Block], window: int) -> list[tuple[str, float]]:
        """Return the code of the language spoken in each block, and its probability."""
        if len(self.languages) == 1:
            return [(self.languages[0], 1.0)] * len(blocks)
        return self._detected(self._encoded([block.features for block in blocks], window))

    def tokenize(self, text: str) -> Sequence[tuple[int, int]]:
        """Return start and end of each token in a text, in characters."""
        offsets: Sequence[tuple[int, int]] = self._whisper.hf_tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets

    def prefix(self, hotwords: str | None, previous: Sequence[int]) -> tuple[int, ...]:
        """Return the tokens before the transcript."""
        tokenizer = self._tokenizer("transcribe", "en")
        prompt: list[int] = self._whisper.get_prompt(tokenizer, list(previous), hotwords=hotwords)
        return tuple(prompt[: len(prompt) - len(tokenizer.sot_sequence)])

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of a text that precedes the audio."""
        tokens: list[int] = self._tokenizer("transcribe", "en").encode(" " + text.strip())
        return tokens

    def _encode(self, requests: Sequence[Request]) -> Any:
        return self._encoded([request.block.features for request in requests], requests[0].attempt.window)

    def _encoded(self, features: Sequence[NDArray[np.float32]], window: int) -> Any:
        batch = np.zeros((len(features), features[0].shape[0], window), dtype=np.float32)
        for row, one in zip(batch, features, strict=True):
            used = one[:, :window]
            if window < FULL_WINDOW:
                row[:] = used.max() - _DYNAMIC_RANGE
            row[:, : used.shape[1]] = used
        return self._whisper.model.encode(ctranslate2.StorageView.from_array(batch))

    def _languages(self, requests: Sequence[Request], encoded: Any) -> list[tuple[str, float | None]]:
        if len(self.languages) == 1:
            return [(self.languages[0], None)] * len(requests)
        if all(request.language for request in requests):
            return [(request.language or "", None) for request in requests]
        return [
            (request.language, None) if request.language else detected
            for request, detected in zip(requests, self._detected(encoded), strict=True)
        ]

    def _detected(self, encoded: Any) -> list[tuple[str, float]]:
        return [(str(best[0][0])[2:-2], float(best[0][1])) for best in self._whisper.model.detect_language(encoded)]

    def _tokenizer(self, task: str, language: str) -> Tokenizer:
        key = (task, language)
        if key not in self._tokenizers:
            multilingual = bool(self._whisper.model.is_multilingual)
            self._tokenizers[key] = Tokenizer(
                self._whisper.hf_tokenizer, multilingual=multilingual, task=task, language=language
            )
        return self._tokenizers[key]

    def _search(self, attempt: Attempt) -> dict[str, Any]:
        if attempt.temperature > 0:
            return {
                "beam_size": 1,
                "num_hypotheses": _SAMPLES,
                "sampling_topk": 0,
                "sampling_temperature": attempt.temperature,
            }
        return {"beam_size": self._beam_size if attempt.beam_search else 1}

    @staticmethod
    def _limit(requests: Sequence[Request], prompt: int) -> int:
        most = MAX_LENGTH - prompt
        if requests[0].attempt.alone:
            return most
        longest = max(request.block.seconds for request in requests)
        return min(most, _MIN_TOKENS + int(_TOKENS_PER_SECOND * longest))

    def _decoded(
        self,
        request: Request,
        tokenizer: Tokenizer,
        found: Any,
        limit: int,
        language: tuple[str, float | None],
        encoded: Callable[[], Any],
    ) -> Decoded:
        tokens: list[int] = found.sequences_ids[0]
        block = request.block
        avg_logprob = float(found.scores[0]) * len(tokens) / (len(tokens) + 1)
        text = tokenizer.decode(tokens).strip()
        pieces = splitting.split(tokens, tokenizer.timestamp_begin, block.seconds)
        result = Result(
            text=text,
            last_end=pieces[-1].end if pieces else 0.0,
            avg_logprob=avg_logprob,
            no_speech_prob=float(found.no_speech_prob),
            complete=len(tokens) < limit,
        )
        segments = tuple(
            Segment(
                id=0,
                seek=round(block.start * 100),
                start=block.start + piece.start,
                end=block.start + piece.end,
                text=tokenizer.decode(piece.tokens),
                tokens=piece.tokens,
                temperature=request.attempt.temperature,
                avg_logprob=avg_logprob,
                compression_ratio=result.compression_ratio,
                no_speech_prob=result.no_speech_prob,
                channel=block.channel,
            )
            for piece in pieces
        )
        kept = tuple(segment for segment in segments if segment.text.strip())

        def words(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
            return self._with_words(segments, block, tokenizer, encoded())

        return Decoded(result, kept, *language, words)

    def _with_words(
        self, segments: tuple[Segment, ...], block: Block, tokenizer: Tokenizer, encoded: Any
    ) -> tuple[Segment, ...]:
        if not segments:
            return segments
        pieces: list[dict[str, Any]] = [
            {
                "seek": 0,
                "start": segment.start - block.start,
                "end": segment.end - block.start,
                "tokens": list(segment.tokens),
            }
            for segment in segments
        ]
        self._whisper.add_word_timestamps([pieces], tokenizer, encoded, block.frames, _PREPENDED, _APPENDED, 0.0)
        return tuple(
            splitting.with_words(segment, [_word(word, block.start) for word in piece["words"]])
            for segment, piece in zip(segments, pieces, strict=True)
        )


def _row(encoded: Any, at: int) -> Any:
    """Return the encoder's output of one block of a batch."""
    if encoded.shape[0] == 1:
        return encoded
    rows = np.asarray(encoded.to_device(ctranslate2.Device.cpu))
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(rows[at : at + 1]))


def _word(word: dict[str, Any], offset: float) -> Word:
    return Word(float(word["start"]) + offset, float(word["end"]) + offset, word["word"], float(word["probability"]))
