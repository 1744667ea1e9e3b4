"""The port to speech recognition and its types; one module per protocol implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.transcribers.transcript import Segment, Transcript
    from speechbridge.upstreams.acquisition import Acquisition
    from speechbridge.upstreams.endpoint import Endpoint

    OnSegment = Callable[[Segment], Awaitable[None]]

Task = Literal["transcribe", "translate"]
Segments = Literal["none", "reported", "passed on"]
"""Whether segments are wanted as they are decoded, and whether the client receives them at once."""


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """The options of a transcription.

    Attributes:
        audio_track: Number of the file's audio track, from 0; None for Whisper's choice.
        separate_channels: Whether each channel is transcribed by itself; otherwise Whisper mixes them.
        language: ISO 639 code, or None to have it detected.
        hotwords: Names and terms that may occur anywhere in the recording.
        prompt: Text that Whisper treats as what was said before (`initial_prompt`).
        temperature: Sampling temperature, or None for Whisper's temperature fallback.
        vad_filter: Whether all pauses are removed before decoding; None for the server's default.
    """

    task: Task = "transcribe"
    audio_track: int | None = None
    separate_channels: bool = False
    language: str | None = None
    hotwords: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    word_timestamps: bool = False
    vad_filter: bool | None = None


class Transcriber(Protocol):
    """One protocol of Whisper pods.

    Attributes:
        reports_progress: Whether segments arrive while the pod works.
    """

    reports_progress: bool

    async def transcribe(
        self,
        acquisition: Acquisition,
        audio: Audio,
        options: Callable[[], TranscriptionOptions],
        headers: str,
        on_segment: OnSegment,
        *,
        segments: Segments,
    ) -> Transcript:
        """Return the transcript.

        Args:
            acquisition: The pod; while the request waits in its queue, it may move to another.
            audio: The recording; may still be arriving.
            options: Returns the options received so far: form fields may arrive after the file.
            headers: Header lines to forward (request id, trace context), each terminated by CRLF.
            on_segment: Receives each segment as it is decoded, if it is wanted and the protocol supports that.
            segments: What is wanted besides the transcript. Segments that are passed on may come before the upload
                ends, and are final.

        Raises:
            UpstreamError: The pod failed.
            RestartRequired: The upload is too slow for a slot, or an option arrived that the pod should have received.
        """

    async def probe(self, endpoint: Endpoint) -> None:
        """Check that the pod is ready; raises UpstreamError."""
