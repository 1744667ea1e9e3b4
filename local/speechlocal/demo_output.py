"""What the demo prints: the conversation as it comes, its timings, and what to do next."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from speechlocal import models
from speechlocal.bridge_client import Answered, Heard, Said, Step, Transcribed
from speechlocal.terminal import INDENT, Flow, heading

if TYPE_CHECKING:
    from rich.console import Console


def opening(console: Console, model: str) -> None:
    """Say what is about to run."""
    console.print(
        Text.assemble(
            ("Speech in, answer out", "bold"), (f"  Whisper {models.WHISPER_NAME}, {model}, on this machine", "dim")
        )
    )


class Conversation:
    """Shows the steps of one request; `answer` is the service's whole answer at its end."""

    def __init__(self, console: Console, audio: Path, prompt: str, model: str) -> None:
        self.answer: dict[str, Any] = {}
        self._console = console
        self._prompt = prompt
        self._model = model
        self._flow = Flow(console)
        self._audio_seconds: float | None = None
        self._sent = time.monotonic()
        self._transcribed_s = 0.0
        self._first_word_s: float | None = None
        heading(console, "Transcript", f"of {shown(audio)}")

    def show(self, step: Step) -> None:
        """Print what this step brings."""
        match step:
            case Heard(text):
                self._flow.add(text)
            case Transcribed(text, audio_seconds):
                self._transcribed_s = self._seconds()
                self._audio_seconds = audio_seconds
                self._flow.end()
                if not text:
                    self._console.print(f"{INDENT}(no words in it)", style="dim")
                heading(self._console, "Answer", f"of {self._model} to: {self._prompt}")
            case Said(text):
                self._first_word_s = self._first_word_s or self._seconds()
                self._flow.add(text)
            case Answered(answer):
                self._flow.end()
                self.answer = answer
                self._remarks()
                self._timings()

    def _remarks(self) -> None:
        if "error" in self.answer:
            self._console.print(f"{INDENT}{self.answer['response']}", style="red", markup=False)
        for warning in self.answer.get("warnings", ()):
            self._console.print(f"{INDENT}note: {warning['message']}", style="yellow", markup=False)

    def _timings(self) -> None:
        length = f"{self._audio_seconds:.1f} s of speech: " if self._audio_seconds else ""
        parts = [f"transcript after {self._transcribed_s:.1f} s"]
        if self._first_word_s is not None:
            parts.append(f"first word of the answer after {self._first_word_s:.1f} s")
        parts.append(f"all after {self._seconds():.1f} s")
        heading(self._console, "Timings")
        self._console.print(INDENT + length + ", ".join(parts), soft_wrap=True)

    def _seconds(self) -> float:
        return time.monotonic() - self._sent


def kept(console: Console, url: str, audio: Path, logs: Path) -> None:
    """Say where the running service is and how to use it."""
    heading(console, "Running until Ctrl-C")
    recording = shlex.quote(shown(audio))
    lines(
        console,
        ("playground", f"{url}/"),
        ("curl", f"curl -F file=@{recording} -F prompt='Summarise this:' {url}/process"),
        ("streamed", f"curl -N -F stream=true -F file=@{recording} {url}/process"),
        ("clients", f"SPEECH_URL={url} python3 examples/clients/process.py {recording}"),
        ("measure", f".venv/bin/python -m speechlocal load --url {url} --audio {recording}"),
        ("logs", str(logs)),
    )


def next_steps(console: Console) -> None:
    """Say what to do after the demo, which has stopped everything by now."""
    heading(console, "Next")
    lines(
        console,
        ("your voice", "make demo AUDIO=recording.m4a PROMPT='Summarise this:'"),
        ("playground", "make demo KEEP=1   (prints its address, and the curl command for it)"),
        ("your model", "OLLAMA_URL=http://127.0.0.1:11434 MODEL=llama3.2 make demo"),
    )


def lines(console: Console, *rows: tuple[str, str]) -> None:
    """Print rows of a name and a text to copy: never wrapped, so that copying works."""
    for name, text in rows:
        console.print(Text.assemble(f"{INDENT}{name:12}", text), soft_wrap=True)


def shown(path: Path) -> str:
    """Return a path as one would type it here: relative when it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
