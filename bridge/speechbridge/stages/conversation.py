"""What `/process` does: transcribe a recording, prefill the prompt meanwhile, and generate the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechbridge.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.generators.catalog import ModelCatalog
    from speechbridge.generators.options import GenerationOptions
    from speechbridge.stages.answer import Answer
    from speechbridge.stages.call import Call
    from speechbridge.stages.generate import Generation
    from speechbridge.stages.prefill import Prefill
    from speechbridge.stages.transcribe import Transcription
    from speechbridge.transcribers.port import TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment, Transcript

    Send = Callable[[Segment | Transcript | str], Awaitable[None]]

DEFAULT_PROMPT = "Process this transcription:"
"""The instructions of requests that have none."""


@dataclass(frozen=True)
class Question:
    """The form of a request, except its recording.

    Attributes:
        instructions: What the language model is told besides the transcript.
        model: The language model, None for the default.
        transcription: Options of Whisper.
        generation: Options of the language model.
        complete: Whether the instructions have been received: with a large form they may follow its file.
    """

    instructions: str
    model: str | None
    transcription: TranscriptionOptions
    generation: GenerationOptions
    complete: bool = True


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
        self, audio: Audio, read_question: Callable[[], Question], answer: Answer, call: Call, send: Send
    ) -> None:
        """Fill in `answer`.

        Args:
            audio: The recording, buffered until ready: a small form is complete by then.
            read_question: Returns the question according to the fields received so far; those of a large form may
                arrive after its file.
            answer: Is filled in.
            call: The request.
            send: Receives segments (for a call that streams), the transcript, then the answer's text.

        Raises:
            Problem: A stage failed; the generation, if `answer.transcript` is set.
        """

        def options() -> TranscriptionOptions:
            return read_question().transcription

        question = read_question()
        answer.model = await self._catalog.choose(question.model)
        prefill = None
        if self._prefill and answer.model and question.complete:
            prefill = self._prefill.start(answer.model, question.instructions, question.generation, call)
        try:
            transcript = await self._transcription.run(audio, options, call, send)
            answer.set_transcript(transcript)  # whatever fails from here on, the answer has it
            await send(transcript)
            if transcript.text:
                final = read_question()  # with the fields that arrived after the file of a large form
                if final.model != question.model:
                    answer.model = await self._catalog.choose(final.model)
                await self._generate(final, transcript.text, answer, call, send)
        finally:
            if prefill:
                prefill.cancel()

    async def _generate(self, question: Question, transcription: str, answer: Answer, call: Call, send: Send) -> None:
        if answer.model is None:
            raise Problem("generator_unavailable", "The language model server does not list its models.")

        async def on_text(text: str) -> None:
            answer.pieces.append(text)
            await send(text)

        call.on_transcribed()
        completion = await self._generation.run(
            answer.model,
            question.instructions,
            question.generation,
            transcription,
            call,
            on_text=on_text,
            on_restart=answer.pieces.clear,
        )
        answer.set_completion(completion)
