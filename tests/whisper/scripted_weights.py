"""A stand-in for `recognition.model.Model` whose answers the test decides, and what it is asked."""

from __future__ import annotations

import queue
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from speechwhisper.audio.tracks import RATE
from speechwhisper.recognition.blocks import Block, Span
from speechwhisper.recognition.judging import Result
from speechwhisper.recognition.model import Decoded
from whisper.scripted import DEADLINE, segment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from speechwhisper.recognition.model import Request
    from speechwhisper.recognition.transcript import Segment

    Answer = Callable[[Request], Decoded]

_UNLIMITED = 1000


def block(start: float = 0.0, seconds: float = 5.0) -> Block:
    """A block full of speech."""
    span = Span(int(start * RATE), int((start + seconds) * RATE))
    return Block(start, (span,), np.zeros((1, round(seconds * 100)), np.float32))


def decoded(
    request: Request,
    text: str | None = None,
    *,
    last_end: float | None = None,
    avg_logprob: float = -0.2,
    no_speech_prob: float = 0.05,
    language: str | None = None,
    complete: bool = True,
    words: Callable[[tuple[Segment, ...]], tuple[Segment, ...]] | None = None,
) -> Decoded:
    """An answer of one segment; without a text, the start of its block."""
    asked = request.block
    said = f" at {asked.start:g}" if text is None else text
    end = asked.seconds if last_end is None else last_end
    one = segment(
        said,
        asked.start,
        asked.start + end,
        words=None,
        tokens=(round(asked.start),),
        temperature=request.attempt.temperature,
        avg_logprob=avg_logprob,
        channel=asked.channel,
    )
    found = language or request.language or "de"
    probability = None if request.language else 0.75
    result = Result(said.strip(), end, avg_logprob, no_speech_prob, complete)
    one = replace(one, compression_ratio=result.compression_ratio)
    return Decoded(result, (one,) if said else (), found, probability, words or with_one_word)


def several(request: Request, *texts: str, complete: bool = True) -> Decoded:
    """An answer of several segments of the same length."""
    whole = decoded(request, "".join(texts), complete=complete)
    seconds = request.block.seconds / len(texts)
    starts = [request.block.start + seconds * number for number in range(len(texts))]
    (one,) = whole.segments
    segments = [replace(one, text=text, start=at, end=at + seconds) for text, at in zip(texts, starts, strict=True)]
    return replace(whole, segments=tuple(segments))


def improbable(request: Request) -> Decoded:
    """An answer that fails its checks."""
    return decoded(request, avg_logprob=-2.0)


def silent(request: Request) -> Decoded:
    """An answer for a block in which nobody speaks."""
    return decoded(request, avg_logprob=-2.0, no_speech_prob=0.9)


def with_one_word(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    return tuple(replace(one, words=segment("word", one.start, one.end).words) for one in segments)


class ScriptedWeights:
    """Answers as the test says; if held, it waits in each batch until the test lets it go on.

    It has memory for so many blocks.

    Attributes:
        batches: The requests of each batch so far.
        detections: The blocks of each batch whose language was detected, and the window.
    """

    def __init__(
        self,
        answer: Answer = decoded,
        languages: Sequence[str] = ("en", "de"),
        *,
        language: Callable[[Block], tuple[str, float]] = lambda _: ("de", 0.75),
        memory: int = _UNLIMITED,
        hold: bool = False,
    ) -> None:
        self.languages = tuple(languages)
        self.batches: list[list[Request]] = []
        self.detections: list[tuple[list[Block], int]] = []
        self._answer = answer
        self._language = language
        self._memory = memory
        self._entered: queue.Queue[list[float]] = queue.Queue()
        self._permits = threading.Semaphore(0 if hold else _UNLIMITED)

    @property
    def requests(self) -> list[Request]:
        """All requests so far."""
        return [request for batch in self.batches for request in batch]

    def entered(self) -> list[float]:
        """Wait for the next batch to begin; return the starts of its blocks."""
        return self._entered.get(timeout=DEADLINE)

    def go_on(self, batches: int = _UNLIMITED) -> None:
        """Let so many batches be decoded."""
        self._permits.release(batches)

    def decode(self, requests: Sequence[Request]) -> list[Decoded]:
        self.batches.append(list(requests))
        self._entered.put([request.block.start for request in requests])
        assert self._permits.acquire(timeout=DEADLINE)
        if len(requests) > self._memory:
            message = "CUDA failed with error out of memory"
            raise RuntimeError(message)
        return [self._answer(request) for request in requests]

    def detect(self, blocks: Sequence[Block], window: int) -> list[tuple[str, float]]:
        self.detections.append((list(blocks), window))
        self._entered.put([block.start for block in blocks])
        assert self._permits.acquire(timeout=DEADLINE)
        return [self._language(block) for block in blocks]

    def tokenize(self, text: str) -> Sequence[tuple[int, int]]:
        """One token per character."""
        return [(at, at + 1) for at in range(len(text))]

    def tokens(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def prefix(self, hotwords: str | None, previous: Sequence[int]) -> tuple[int, ...]:
        return (*self.tokens(hotwords or ""), *previous)
