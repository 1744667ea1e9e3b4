"""The port to speech recognition, and what goes through it. One module per protocol implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.transcribers.transcript import Segment, Transcript
    from speechbridge.upstreams.endpoint import Endpoint


Task = Literal["transcribe", "translate"]


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """What is asked of Whisper.

    Attributes:
        language: ISO 639 code, or None to have it detected.
        prompt: Text that Whisper takes as what was said before.
        temperature: Sampling temperature, or None for Whisper's own fallback ladder.
    """

    task: Task = "transcribe"
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    word_timestamps: bool = False


class Transcriber(Protocol):
    """One way to speak to a Whisper pod."""

    def transcribe(
        self, endpoint: Endpoint, audio: Audio, options: Callable[[], TranscriptionOptions], headers: str
    ) -> AsyncGenerator[Segment | Transcript]:
        """Yield segments as they are decoded, where the protocol has that, then the transcript.

        Args:
            endpoint: The pod.
            audio: The recording; may still be arriving.
            options: Tells the options as far as they are known: form fields may come after the file.
            headers: Header lines to pass on (request id, trace), each ended by CRLF.

        Raises:
            UpstreamError: The pod failed.
            RestartRequired: The upload is too slow for a slot, or an option arrived that the pod should have received.
        """

    async def probe(self, endpoint: Endpoint) -> None:
        """Ask whether the pod is there, and take over the number of its slots if it names one; UpstreamError if not."""
