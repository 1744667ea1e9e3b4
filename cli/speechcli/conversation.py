"""The output of one request: transcript and answer as they arrive, and timings."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechcli.bridge_client import Completed, Event, ResponseDelta, Transcript, TranscriptDelta, Waiting
from speechcli.terminal import INDENT, TextStream, heading

if TYPE_CHECKING:
    from rich.console import Console


COMPONENTS = {"transcribe": "Whisper", "generate": "the language model"}


class Conversation:
    """Shows the events of one request; at its end `answer` is the whole response of the service.

    An empty `prompt` or `model` is not mentioned: the service chooses it.
    """

    def __init__(self, console: Console, audio: Path, prompt: str, model: str) -> None:
        self.answer: dict[str, Any] = {}
        self._console = console
        self._prompt = prompt
        self._model = model
        self._text = TextStream(console)
        self._audio_seconds: float | None = None
        self._sent = time.monotonic()
        self._waited_for = ""
        self._transcribed_s: float | None = None
        self._first_word_s: float | None = None
        heading(console, "Transcript", f"of {shown(audio)}")

    def show(self, event: Event) -> None:
        """Print an event."""
        match event:
            case Waiting(stage) if stage != self._waited_for:
                self._waited_for = stage
                self._console.print(f"{INDENT}waiting for {COMPONENTS[stage]}, which starts", style="dim")
            case TranscriptDelta(text):
                self._text.add(text)
            case Transcript(text, audio_seconds):
                self._transcribed_s = self._seconds()
                self._audio_seconds = audio_seconds
                self._text.end()
                if not text:
                    self._console.print(f"{INDENT}(no speech recognized)", style="dim")
                heading(self._console, "Answer", self._origin())
            case ResponseDelta(text):
                self._first_word_s = self._first_word_s or self._seconds()
                self._text.add(text)
            case Completed(answer):
                self._text.end()
                self.answer = answer
                self._print_warnings()
                self._print_timings()

    def _origin(self) -> str:
        origin = f"from {self._model}" if self._model else ""
        prompt = f"to the prompt: {self._prompt}" if self._prompt else ""
        return f"{origin} {prompt}".strip()

    def _print_warnings(self) -> None:
        notes = [warning["message"] for warning in self.answer.get("warnings", ())]
        error = self.answer.get("error")
        if error and not any(error["message"] in note for note in notes):  # that of a cut-off transcript has it
            self._console.print(f"{INDENT}{self.answer['response']}", style="red", markup=False)
        for note in notes:
            self._console.print(f"{INDENT}note: {note}", style="yellow", markup=False)

    def _print_timings(self) -> None:
        length = f"{self._audio_seconds:.1f} s of speech: " if self._audio_seconds else ""
        times = []
        if self._transcribed_s is not None:  # else the deadline ended the transcription
            times.append(f"transcript after {self._transcribed_s:.1f} s")
        if self._first_word_s is not None:
            times.append(f"first word of the answer after {self._first_word_s:.1f} s")
        times.append(f"done after {self._seconds():.1f} s")
        heading(self._console, "Timings")
        self._console.print(INDENT + length + ", ".join(times), soft_wrap=True)

    def _seconds(self) -> float:
        return time.monotonic() - self._sent


def shown(path: Path) -> str:
    """Return a path relative to the current folder if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
