"""OpenAI's audio API: `POST /v1/audio/transcriptions` and `/translations`, with segments as they are decoded.

speechwhisper implements it (`docs/reference/whisper-server.md`), as do speaches and others; a server without `stream`
responds with JSON at the end, which is handled too. Fields are sent after the file, to include those that arrive late;
except `audio_track` and `channels`, which speechwhisper needs before it, since it decodes the file as it arrives.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechbridge.transcribers.answers import DONE, read_last_event, read_transcript
from speechbridge.transcribers.post_audio import post_audio, restart
from speechbridge.transcribers.status import AUDIO_CODES, check_status
from speechbridge.transcribers.transcript import segment_from
from speechbridge.upstreams import sse
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import json_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.transcribers.port import TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment, Transcript
    from speechbridge.upstreams.acquisition import Acquisition
    from speechbridge.upstreams.connection import Connection
    from speechbridge.upstreams.endpoint import Endpoint

_PATHS = {"transcribe": "/v1/audio/transcriptions", "translate": "/v1/audio/translations"}
_EVENT_STREAM = "text/event-stream"
_MAX_DELTA_CHARS = 64 * 1024
"""Of the events before the last; more than a segment of 30 s has, with its words."""


class OpenAIAudio:
    """Implements the port `Transcriber`.

    Args:
        model: The name to send to servers with several Whisper models; speechwhisper accepts any.
    """

    reports_progress = True

    def __init__(self, model: str = "whisper-1") -> None:
        self._model = model

    async def transcribe(
        self,
        acquisition: Acquisition,
        audio: Audio,
        options: Callable[[], TranscriptionOptions],
        headers: str,
        *,
        segments: bool,
    ) -> AsyncGenerator[Segment | Transcript]:
        """Send the recording and yield segments and the transcript; see the port."""
        sent = options()

        def late_fields() -> list[tuple[str, str]]:
            latest = options()
            if (latest.task, _early_fields(latest)) != (sent.task, _early_fields(sent)):
                restart(audio, "channels" if latest.audio_track == sent.audio_track else "audio_track")
            return self._fields(latest, segments=segments)

        async with acquisition.exchange() as exchange:
            await post_audio(
                exchange,
                _PATHS[sent.task],
                headers,
                audio,
                file_field="file",
                early_fields=_early_fields(sent),
                late_fields=late_fields,
            )
            connection = exchange.connection
            status = await connection.response()
            if status != HTTPStatus.OK or not connection.headers.get("content-type", "").startswith(_EVENT_STREAM):
                body = await connection.read()
                check_status(status, body)
                yield await read_transcript(body)
                return
            async for item in _events(connection, words=options().word_timestamps):
                yield item

    async def probe(self, endpoint: Endpoint) -> None:
        """Request `/readyz`; a server without that route is ready if it responds at all."""
        async with endpoint.connection() as connection:
            connection.send(endpoint.head("GET", "/readyz", "", 0))
            status = await connection.response()
            await connection.read()
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise UpstreamError(FailureKind.CONNECT, "Whisper is not ready")

    def _fields(self, options: TranscriptionOptions, *, segments: bool) -> list[tuple[str, str]]:
        fields = [
            ("model", self._model),
            ("response_format", "verbose_json"),
            ("stream", str(segments).lower()),
        ]
        if options.language and options.task == "transcribe":
            fields.append(("language", options.language))
        if options.hotwords:
            fields.append(("hotwords", options.hotwords))
        if options.prompt:
            fields.append(("prompt", options.prompt))
        if options.temperature is not None:
            fields.append(("temperature", str(options.temperature)))
        if options.vad_filter is not None:
            fields.append(("vad_filter", str(options.vad_filter).lower()))
        fields.append(("timestamp_granularities[]", "segment"))
        if options.word_timestamps:
            fields.append(("timestamp_granularities[]", "word"))
        return fields


def _early_fields(options: TranscriptionOptions) -> list[tuple[str, str]]:
    fields = [] if options.audio_track is None else [("audio_track", str(options.audio_track))]
    return [*fields, ("channels", "separate")] if options.separate_channels else fields


async def _events(connection: Connection, *, words: bool) -> AsyncGenerator[Segment | Transcript]:
    parser = sse.Parser()
    segments: list[Segment] = []
    done = ""
    async for chunk in connection.chunks():
        for data in _data_in(parser, chunk):
            event = {"type": DONE} if len(data) > _MAX_DELTA_CHARS else json_object(data)
            kind = event.get("type")
            if kind == "transcript.text.delta" and isinstance(event.get("segment"), dict):
                segments.append(segment_from(event["segment"], len(segments)))
                yield segments[-1]
            elif kind == DONE:
                done = data  # the end of the response follows at once; once read, the connection can be reused
            elif "error" in event:
                raise _error_of(event["error"])
    if not done:
        raise UpstreamError(FailureKind.DIED, "Whisper's response ended before the transcript was complete")
    yield await read_last_event(done, segments, words=words)


def _error_of(error: Any) -> UpstreamError:
    described = error if isinstance(error, dict) else {}
    code = described.get("code")
    return UpstreamError(
        FailureKind.BAD_AUDIO if code in AUDIO_CODES else FailureKind.DIED,
        str(described.get("message") or "Whisper failed"),
        code=code if isinstance(code, str) else None,
    )


def _data_in(parser: sse.Parser, chunk: bytes) -> list[str]:
    try:
        events = parser.feed(chunk)
    except ValueError:
        raise UpstreamError(FailureKind.BAD_ANSWER, "Whisper's event stream is malformed") from None
    return [event.data for event in events if event.data != "[DONE]"]
