"""One recording, one answer: transcribe, let the model read the prompt meanwhile, generate. What `/process` does."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speechbridge.errors import Problem
from speechbridge.generators.port import Completion
from speechbridge.stages.attempt import Restart
from speechbridge.transcribers.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.generators.catalog import ModelCatalog
    from speechbridge.stages.attempt import Call, Pipeline
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.transcribers.port import TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment

DEFAULT_PROMPT = "Process this transcription:"
"""What is asked of the model when the caller does not say."""
FAILED_RESPONSE = "Ollama processing failed: "
"""What `response` starts with when the generation failed: clients of the older bridge look for it."""


@dataclass(frozen=True)
class Question:
    """What the form of a request asks, beside its recording."""

    prompt: str
    model: str | None
    options: TranscriptionOptions


@dataclass
class Answer:
    """The answer as far as it has come."""

    timeline: Timeline
    model: str | None = None
    transcript: Transcript | None = None
    completion: Completion | None = None
    error: Problem | None = None
    pieces: list[str] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def warn(self, code: str, message: str) -> None:
        """Add a warning."""
        self.warnings.append({"code": code, "message": message})

    def document(self) -> dict[str, Any]:
        """Return the JSON answer of `/process`: the older bridge's four members first, then what is added."""
        timings = self.timeline.milliseconds()
        document: dict[str, Any] = {
            "transcription": self.transcript.text if self.transcript else "",
            "response": f"{FAILED_RESPONSE}{self.error.detail}" if self.error else "".join(self.pieces),
            "process_time_ms": timings["total_ms"],
            "model": self.model,
            "language": self.transcript.language if self.transcript else None,
            "audio_seconds": self.transcript.duration if self.transcript else None,
            "finish_reason": self.completion.finish_reason if self.completion else None,
            "timings": timings,
            "warnings": self.warnings,
        }
        if self.error:
            document["error"] = {"code": self.error.code, "message": self.error.detail}
            if self.pieces:
                document["partial_response"] = "".join(self.pieces)
        return document


class Conversations:
    """Holds them, with one pipeline."""

    def __init__(self, pipeline: Pipeline, catalog: ModelCatalog, *, warm_up: bool) -> None:
        self._pipeline = pipeline
        self._catalog = catalog
        self._warm_up = warm_up

    async def hold(
        self, audio: Audio, question: Callable[[], Question], answer: Answer, call: Call
    ) -> AsyncGenerator[Segment | Transcript | str]:
        """Yield segments (for a call that streams), the transcript, then the response's text; fill in `answer`.

        Args:
            audio: The recording, settled: all fields of a small form have come.
            question: Reads what is asked from the fields that have come; those of a large form may come late.

        Raises:
            Problem: When `answer.transcript` is there it concerns the generation alone.
        """
        asked = question()
        answer.model = await self._catalog.choose(asked.model)
        warmth = None
        if self._warm_up and answer.model:
            warmth = self._pipeline.warmer.start(answer.model, asked.prompt, call.headers)
        try:
            async with aclosing(self._pipeline.transcribe(audio, lambda: question().options, call)) as items:
                async for item in items:
                    if isinstance(item, Transcript):
                        asked = await self._asked_late(question(), asked, answer)
                        if warmth:
                            await warmth.check(asked.prompt)
                        self._take(item, answer)
                    yield item
            if answer.transcript and answer.transcript.text:
                async with aclosing(self._generate(asked.prompt, answer.transcript.text, answer, call)) as pieces:
                    async for piece in pieces:
                        yield piece
        finally:
            if warmth:
                warmth.cancel()

    async def _asked_late(self, now: Question, before: Question, answer: Answer) -> Question:
        """Take over what came after the file of a large form."""
        if now.model != before.model:
            answer.model = await self._catalog.choose(now.model)
        return now

    def _take(self, transcript: Transcript, answer: Answer) -> None:
        answer.transcript = transcript
        if not transcript.text:
            answer.warn("no_speech", "No speech was found in the recording, so the language model was not asked.")

    async def _generate(self, prompt: str, transcription: str, answer: Answer, call: Call) -> AsyncGenerator[str]:
        if answer.model is None:
            raise Problem("generator_unavailable", "The language model's server does not say which models it has.")
        async with aclosing(self._pipeline.generate(answer.model, prompt, transcription, call)) as items:
            async for item in items:
                if isinstance(item, Completion):
                    self._finish(answer, item)
                elif isinstance(item, Restart):
                    answer.pieces.clear()
                else:
                    answer.pieces.append(item)
                    yield item

    def _finish(self, answer: Answer, completion: Completion) -> None:
        answer.completion = completion
        if completion.overflowed:
            answer.warn("context_overflow", "Prompt and transcription filled the context: their start may be cut off.")
        if completion.finish_reason == "length":
            answer.warn("length", "The response was cut off: the model's limit of tokens was reached.")
