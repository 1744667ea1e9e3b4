"""The output of the demo around its conversation: what runs, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from speechcli.conversation import shown
from speechcli.terminal import INDENT, heading
from speechlocal import models, paths

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

DEMO_RECORDING = paths.RECORDINGS / "austen-leisure-to-consider.wav"
DEMO_PROMPT = "Write only the name of the person in the transcript."
"""The small model finds the name, whatever the punctuation of the transcript; its summaries are mostly nonsense."""
WITH_REAL_MODEL = "OLLAMA_URL=http://127.0.0.1:11434 MODEL=llama3.2 make demo"


def opening(console: Console, model: str) -> None:
    """Print what is about to run."""
    console.print(
        Text.assemble(
            ("Speech in, answer out", "bold"), (f"  Whisper {models.WHISPER_NAME}, {model}, on this machine", "dim")
        )
    )


def model_note(console: Console, model: str) -> None:
    """Print what to expect of the small model; nothing about others."""
    if model == models.LLM_NAME:
        console.print()
        note = f"{model} is a toy: it runs anywhere and is often wrong. With a real model: {WITH_REAL_MODEL}"
        console.print(INDENT + note, style="dim", soft_wrap=True)


def running(console: Console, url: str, audio: Path, logs: Path, *, until: str) -> None:
    """Print where the running service is and how to use it; `until` is what ends it."""
    heading(console, f"Running until {until}")
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
    """Print what to do after the demo, which has already stopped everything."""
    heading(console, "Next")
    lines(
        console,
        ("your voice", "make demo AUDIO=recording.m4a PROMPT='Summarise this:'"),
        ("playground", "make demo KEEP=1   (prints its address, and a curl command)"),
        ("your model", WITH_REAL_MODEL),
    )


def lines(console: Console, *rows: tuple[str, str]) -> None:
    """Print rows of a name and a text to copy, which is not wrapped."""
    for name, text in rows:
        console.print(Text.assemble(f"{INDENT}{name:12}", text), soft_wrap=True)
