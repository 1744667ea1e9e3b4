"""The answer of `/process`, as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speechbridge.errors import Problem
    from speechbridge.generators.port import Completion
    from speechbridge.telemetry.timeline import Timeline
    from speechbridge.transcribers.transcript import Transcript

FAILED_RESPONSE = "Ollama processing failed: "
"""What `response` starts with if the generation failed: clients of the older bridge look for it."""
_NO_SPEECH = "no_speech"
_NO_WORDS = "no_words"
_LENGTH = "length"


def silence_in(transcript: Transcript) -> str:
    """Return what it means that a transcript has no text, without a full stop; empty if it has text."""
    if transcript.text:
        return ""
    unworded = any(warning["code"] == _NO_WORDS for warning in transcript.warnings)
    return f"No {'words were recognized' if unworded else 'speech was found'} in the recording"


def warnings_of(transcript: Transcript, consequence: str = "") -> list[dict[str, str]]:
    """Return the warnings about a transcript: Whisper's, and `no_speech` if it has no text, whatever the engine says.

    Args:
        transcript: The transcript.
        consequence: What follows from silence, to be appended to that warning.
    """
    warnings = [warning for warning in transcript.warnings if warning["code"] != _NO_SPEECH]
    if silence := silence_in(transcript):
        warnings.append({"code": _NO_SPEECH, "message": f"{silence}{consequence}."})
    return warnings


@dataclass
class Answer:
    """Transcript, response, and what went wrong.

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

    def set_transcript(self, transcript: Transcript) -> None:
        """Add the transcript and its warnings."""
        self.transcript = transcript
        self.warnings += warnings_of(transcript, ", so the language model was not called")

    def cut_off(self, transcript: Transcript) -> None:
        """Set what was transcribed before the deadline."""
        self.transcript = transcript
        self.truncated = True
        self.warnings += transcript.warnings

    def set_completion(self, completion: Completion) -> None:
        """Add how the response ended, and warnings about that."""
        self.completion = completion
        if completion.overflowed:
            self._warn(
                "context_length_exceeded",
                "Prompt and transcription filled the context; their start may have been cut off.",
            )
        if completion.finish_reason == _LENGTH:
            self._warn(_LENGTH, "The response was cut off: the token limit was reached.")
        if not "".join(self.pieces).strip():
            self._warn("empty_response", "The language model returned no text; it may only have reasoned.")

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

    def _warn(self, code: str, message: str) -> None:
        self.warnings.append({"code": code, "message": message})
