"""What `/process` does: transcribe a recording, prefill the prompt meanwhile, and generate the answer."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speechbridge.errors import Problem
from speechbridge.generators.port import Completion
from speechbridge.stages.generate import Restart
from speechbridge.transcribers.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.generators.catalog import ModelCatalog
    from speechbridge.stages.call import Call
    from speechbridge.stages.generate import Generation
    from speechbridge.stages.prefill import Prefill
    from speechbridge.stages.transcribe import Transcription
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.transcribers.port import TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment

DEFAULT_PROMPT = "Process this transcription:"
"""The prompt of requests that have none."""
_NO_SPEECH = "no_speech"
FAILED_RESPONSE = "Ollama processing failed: "
"""What `response` starts with if the generation failed: clients of the older bridge look for it."""


@dataclass(frozen=True)
class Question:
    """The form of a request, except its recording."""

    prompt: str
    model: str | None
    options: TranscriptionOptions


@dataclass
class Answer:
    """The answer as far as it is known.

    Attributes:
        truncated: Whether the transcript ends at the deadline, not with the recording.
    """

    timeline: Timeline
    model: str | None = None
    transcript: Transcript | None = None
    completion: Completion | None = None
    error: Problem | None = None
    truncated: bool = False
    pieces: list[str] = field(default_factory=list)
    warnings: list[dict[str, str]] = field(default_factory=list)

    def cut_off(self, transcript: Transcript) -> None:
        """Set what was transcribed before the deadline."""
        self.transcript = transcript
        self.truncated = True
        self.warnings += transcript.warnings

    def warn(self, code: str, message: str) -> None:
        """Add a warning."""
        self.warnings.append({"code": code, "message": message})

    def document(self) -> dict[str, Any]:
        """Return the JSON response of `/process`, beginning with the four members that the older bridge returned."""
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
            "coverage": self.transcript.coverage if self.transcript else None,
            "warnings": self.warnings,
        }
        if self.error:
            document["error"] = {"code": self.error.code, "message": self.error.detail}
            if self.pieces:
                document["partial_response"] = "".join(self.pieces)
        return document


class Conversation:
    """Answers recordings.

    Args:
        transcription: The first stage.
        generation: The second stage.
        catalog: The language models.
        prefill: Prefills the prompt during the transcription; None disables it.
    """

    def __init__(
        self, transcription: Transcription, generation: Generation, catalog: ModelCatalog, prefill: Prefill | None
    ) -> None:
        self._transcription = transcription
        self._generation = generation
        self._catalog = catalog
        self._prefill = prefill

    async def run(
        self, audio: Audio, read_question: Callable[[], Question], answer: Answer, call: Call
    ) -> AsyncGenerator[Segment | Transcript | str]:
        """Yield segments (for a call that streams), the transcript, then the answer's text; fill in `answer`.

        Args:
            audio: The recording, buffered until ready: a small form is complete by then.
            read_question: Returns the question according to the fields received so far; those of a large form may
                arrive after its file.
            answer: Is filled in.
            call: The request.

        Raises:
            Problem: A stage failed; the generation, if `answer.transcript` is set.
        """

        def options() -> TranscriptionOptions:
            return read_question().options

        question = read_question()
        answer.model = await self._catalog.choose(question.model)
        prefill = None
        if self._prefill and answer.model:
            prefill = self._prefill.start(answer.model, question.prompt, call)
        try:
            async with aclosing(self._transcription.run(audio, options, call)) as items:
                async for item in items:
                    if isinstance(item, Transcript):
                        question = await self._final(read_question(), question, answer)
                        if prefill:
                            await prefill.check(question.prompt)
                        self._set_transcript(item, answer)
                    yield item
            if answer.transcript and answer.transcript.text:
                text = self._generate(question.prompt, answer.transcript.text, answer, call)
                async with aclosing(text) as pieces:
                    async for piece in pieces:
                        yield piece
        finally:
            if prefill:
                prefill.cancel()

    async def _final(self, question: Question, earlier: Question, answer: Answer) -> Question:
        """Return the question, with the fields that arrived after the file of a large form."""
        if question.model != earlier.model:
            answer.model = await self._catalog.choose(question.model)
        return question

    def _set_transcript(self, transcript: Transcript, answer: Answer) -> None:
        answer.transcript = transcript
        answer.warnings += [warning for warning in transcript.warnings if warning["code"] != _NO_SPEECH]
        if not transcript.text:
            answer.warn(_NO_SPEECH, "No speech was found in the recording, so the language model was not called.")

    async def _generate(self, prompt: str, transcription: str, answer: Answer, call: Call) -> AsyncGenerator[str]:
        if answer.model is None:
            raise Problem("generator_unavailable", "The language model server does not list its models.")
        async with aclosing(self._generation.run(answer.model, prompt, transcription, call)) as items:
            async for item in items:
                if isinstance(item, Completion):
                    self._set_completion(item, answer)
                elif isinstance(item, Restart):
                    answer.pieces.clear()
                else:
                    answer.pieces.append(item)
                    yield item

    def _set_completion(self, completion: Completion, answer: Answer) -> None:
        answer.completion = completion
        if completion.overflowed:
            answer.warn(
                "context_overflow", "Prompt and transcription filled the context; their start may have been cut off."
            )
        if completion.finish_reason == "length":
            answer.warn("length", "The response was cut off: the model's token limit was reached.")
