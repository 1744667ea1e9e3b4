"""What the tests of the playground do on the page, and what they wait for."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from e2e.playground_bridge import TIMINGS, event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.playground_browser import Page

RECORDINGS = Path(__file__).parents[3] / "examples" / "audio"
VOICE = RECORDINGS / "austen-leisure-to-consider.wav"
SHORT = "In one sentence, what does the speaker say?"  # left to itself a very small model goes on and on
CONTROL = 2

DONE = "document.body.dataset.state === 'done'"
FAILED = "document.body.dataset.state === 'failed'"
BADGES = "document.querySelectorAll('#components li').length === 2"

COVERAGE = {
    "audio_seconds": 12.0,
    "gaps": [{"start": 9.0, "end": 9.8, "reason": "damaged"}],
    "doubtful": [{"start": 3.0, "end": 4.5, "reason": "improbable"}],
}
WARNING = {"code": "doubtful", "message": "1.5 s of the transcript may be wrong."}
SEGMENTS = (
    (0.4, 3.0, " He was not an ill-disposed young man,"),
    (3.0, 4.5, " unless to be rather cold-hearted"),
    (4.5, 6.8, " is to be ill-disposed."),
)
TEXT = "".join(text for _, _, text in SEGMENTS).strip()


def complete(answer: str = "He meant well. The speaker is not sure.") -> Sequence[bytes]:
    """A script with segments, a doubtful stretch, a gap, a pause, a warning and an answer."""
    heard = {"language": "en", "audio_seconds": 12.0, "coverage": COVERAGE, "warnings": [WARNING]}
    end = {"transcription": TEXT, "response": answer, "model": "smollm2:135m", "finish_reason": "stop"}
    return (
        *(event("transcript.delta", start=start, end=end, text=text) for start, end, text in SEGMENTS),
        event("transcript.done", text=TEXT, **heard),
        event("response.delta", text=answer),
        event("response.done", **end, **heard, timings=TIMINGS, process_time_ms=2960),
    )


def cut_off() -> Sequence[bytes]:
    """A script whose transcription the deadline ends after the first segment."""
    start, end, text = SEGMENTS[0]
    error = {"code": "deadline_exceeded", "message": "The request was not complete in time."}
    told = {"response": f"Ollama processing failed: {error['message']}", "model": "smollm2:135m", "finish_reason": None}
    heard = {"transcription": text.strip(), "language": None, "audio_seconds": None, "coverage": None}
    warnings = [{"code": "truncated", "message": f"The transcript ends at {end} s. {error['message']}"}]
    timings = {**TIMINGS, "first_token_ms": None, "generate_ms": None}
    return (
        event("transcript.delta", start=start, end=end, text=text),
        event("error", **error, stage="transcribe"),
        event("response.done", **heard, **told, warnings=warnings, error=error, timings=timings, process_time_ms=2960),
    )


def has_text(element: str) -> str:
    return f"document.getElementById('{element}').textContent !== ''"


async def open_with_voice(page: Page, url: str) -> None:
    await page.open(url)
    await page.wait_for(BADGES)
    await page.drop(VOICE)
    await page.wait_for("document.getElementById('player').duration > 0")


async def write_prompt(page: Page, text: str) -> None:
    await page.evaluate("document.getElementById('prompt').select()")
    await page.send("Input.insertText", text=text)


async def ask(page: Page, url: str) -> None:
    """Sends the recording and waits for the end of the answer."""
    await open_with_voice(page, url)
    await page.click("#run")
    await page.wait_for(DONE)


async def saved(file: Path) -> str:
    """The text of a file that the browser saves."""
    return await asyncio.to_thread(_read_once_there, file)


def _read_once_there(file: Path) -> str:
    deadline = time.monotonic() + 30
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} was not saved"
        time.sleep(0.02)
    return file.read_text(encoding="utf-8")
