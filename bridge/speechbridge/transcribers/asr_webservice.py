"""whisper-asr-webservice (1.10): `POST /asr`.

Its quirks, all handled here: `audio_file` requires a filename; all other parameters are in the query; the response is
`text/plain` even for `output=json`; the whisperx engine omits the top-level `text`; undecodable audio is a bare 500;
there is no health route, and HTTP freezes during a job, so the probe only opens a connection.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from speechbridge.audio.port import is_recognised, is_video_without_audio
from speechbridge.transcribers.answers import read_transcript
from speechbridge.transcribers.post_audio import AudioForm, post_audio, restart
from speechbridge.transcribers.status import check_status
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.audio.port import Audio
    from speechbridge.transcribers.port import OnSegment, Segments, TranscriptionOptions
    from speechbridge.transcribers.transcript import Transcript
    from speechbridge.upstreams.acquisition import Acquisition
    from speechbridge.upstreams.endpoint import Endpoint

_FAILED = HTTPStatus.INTERNAL_SERVER_ERROR
_MAX_PROMPT_BYTES = 2000
"""More than the 223 tokens that Whisper uses; percent-encoded, it fits into a request line of 8 KiB."""


class AsrWebservice:
    """Implements the port `Transcriber`; the protocol does not stream, so that it reports no segments."""

    reports_progress = False

    async def transcribe(
        self,
        acquisition: Acquisition,
        audio: Audio,
        options: Callable[[], TranscriptionOptions],
        headers: str,
        on_segment: OnSegment,  # noqa: ARG002 - the protocol has none
        *,
        segments: Segments,  # noqa: ARG002
    ) -> Transcript:
        """Send the recording and return the transcript; see the port."""
        sent = options()
        async with acquisition.exchange() as exchange:
            await post_audio(exchange, f"/asr?{_query(sent)}", headers, AudioForm(audio, "audio_file"))
            late = options()
            if late is not sent and late != sent:
                restart(audio, "language")
            connection = exchange.connection
            status = await connection.response()
            body = await connection.read()
            if status == _FAILED:
                await _check_recording(audio)
            check_status(status, body, connection.headers.get("retry-after", ""))
            return await read_transcript(body)

    async def probe(self, endpoint: Endpoint) -> None:
        """Open a connection: any request would wait for a running job."""
        await endpoint.ensure_connected()


def _query(options: TranscriptionOptions) -> str:
    query: dict[str, str] = {}
    if options.language:
        query["language"] = options.language
    if prompt := _initial_prompt(options):
        query["initial_prompt"] = prompt
    if options.audio_track is not None:
        query["audio_track"] = str(options.audio_track)
    if options.separate_channels:
        query["channels"] = "separate"
    if options.temperature is not None:
        query["temperature"] = str(options.temperature)
    if options.word_timestamps:
        query["word_timestamps"] = "true"
    if options.vad_filter is not None:
        query["vad_filter"] = str(options.vad_filter).lower()
    always = f"output=json&task={options.task}&encode=true"
    return f"{always}&{urlencode(query)}" if query else always


def _initial_prompt(options: TranscriptionOptions) -> str:
    """Return prompt and hotwords, which the service does not have, in the length that a request line allows.

    The hotwords are last, since Whisper uses the end of what is too long for it.
    """
    text = " ".join(filter(None, (options.prompt, options.hotwords)))
    data = text.encode()
    if len(data) <= _MAX_PROMPT_BYTES:
        return text
    end = data[-_MAX_PROMPT_BYTES:].decode(errors="ignore")
    return end.partition(" ")[2] or end


async def _check_recording(audio: Audio) -> None:
    """Raise UpstreamError if the bare 500 is the recording's fault, as far as its container reveals."""
    if not is_recognised(audio):
        raise UpstreamError(FailureKind.BAD_AUDIO, "its first bytes are not those of an audio format", code="not_audio")
    if audio.size is not None and audio.replayable and await is_video_without_audio(audio):
        raise UpstreamError(FailureKind.BAD_AUDIO, "it is a video without an audio track", code="no_audio_stream")
