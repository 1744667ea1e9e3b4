"""OpenAI's audio API: `POST /v1/audio/transcriptions` and `/translations`, with segments as they are decoded.

speechwhisper implements it (`docs/reference/whisper-server.md`), as do speaches and others; a server without `stream`
responds with JSON at the end, which is handled too. Fields are sent after the file, to include those that arrive late;
except `audio_track`, which speechwhisper needs before it, since it decodes the file as it arrives.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechbridge.transcribers.post_audio import post_audio, restart
from speechbridge.transcribers.status import AUDIO_CODES, check_status
from speechbridge.transcribers.transcript import segment_from, transcript_from
from speechbridge.upstreams import sse
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import json_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.transcribers.port import TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment, Transcript
    from speechbridge.upstreams.connection import Connection
    from speechbridge.upstreams.endpoint import Endpoint

_PATHS = {"transcribe": "/v1/audio/transcriptions", "translate": "/v1/audio/translations"}
_EVENT_STREAM = "text/event-stream"


class OpenAIAudio:
    """Implements the port `Transcriber`.

    Args:
        model: The name to send to servers with several Whisper models; speechwhisper accepts any.
    """

    reports_progress = True

    def __init__(self, model: str = "whisper-1") -> None:
        self._model = model

    async def transcribe(
        self, endpoint: Endpoint, audio: Audio, options: Callable[[], TranscriptionOptions], headers: str
    ) -> AsyncGenerator[Segment | Transcript]:
        """Send the recording and yield segments and the transcript; see the port."""
        sent = options()

        def late_fields() -> list[tuple[str, str]]:
            latest = options()
            if (latest.task, latest.audio_track) != (sent.task, sent.audio_track):
                restart(audio, "audio_track")
            return self._fields(latest)

        async with endpoint.connection() as connection:
            await post_audio(
                connection,
                endpoint,
                _PATHS[sent.task],
                headers,
                audio,
                file_field="file",
                early_fields=[] if sent.audio_track is None else [("audio_track", str(sent.audio_track))],
                late_fields=late_fields,
            )
            status = await connection.response()
            if status != HTTPStatus.OK or not connection.headers.get("content-type", "").startswith(_EVENT_STREAM):
                body = await connection.read()
                check_status(status, body)
                yield transcript_from(json_object(body))
                return
            async for item in _events(connection):
                yield item

    async def probe(self, endpoint: Endpoint) -> None:
        """Request `/readyz`; a server without that route is ready if it responds at all."""
        async with endpoint.connection() as connection:
            connection.send(endpoint.head("GET", "/readyz", "", 0))
            status = await connection.response()
            body = await connection.read()
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise UpstreamError(FailureKind.CONNECT, "Whisper is not ready")
            slots = json_object(body).get("slots") if status == HTTPStatus.OK and body.startswith(b"{") else None
            if isinstance(slots, int) and slots > 0:
                endpoint.slots = slots

    def _fields(self, options: TranscriptionOptions) -> list[tuple[str, str]]:
        fields = [("model", self._model), ("response_format", "verbose_json"), ("stream", "true")]
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


async def _events(connection: Connection) -> AsyncGenerator[Segment | Transcript]:
    parser = sse.Parser()
    index = 0
    done: dict[str, Any] | None = None
    async for chunk in connection.chunks():
        for event in _parsed(parser, chunk):
            kind = event.get("type")
            if kind == "transcript.text.delta" and isinstance(event.get("segment"), dict):
                yield segment_from(event["segment"], index)
                index += 1
            elif kind == "transcript.text.done":
                done = event  # the end of the response follows at once; once read, the connection can be reused
            elif "error" in event:
                error = event["error"] if isinstance(event["error"], dict) else {}
                code = error.get("code")
                raise UpstreamError(
                    FailureKind.BAD_AUDIO if code in AUDIO_CODES else FailureKind.DIED,
                    str(error.get("message") or "Whisper failed"),
                    code=code if isinstance(code, str) else None,
                )
    if done is None:
        raise UpstreamError(FailureKind.DIED, "Whisper's response ended before the transcript was complete")
    yield transcript_from(done)


def _parsed(parser: sse.Parser, chunk: bytes) -> list[dict[str, Any]]:
    try:
        events = parser.feed(chunk)
    except ValueError:
        raise UpstreamError(FailureKind.BAD_ANSWER, "Whisper's event stream is malformed") from None
    return [json_object(event.data) for event in events if event.data != "[DONE]"]
