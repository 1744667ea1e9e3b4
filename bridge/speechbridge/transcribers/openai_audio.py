"""OpenAI's audio API: `POST /v1/audio/transcriptions` and `/translations`, with segments as they are decoded.

speechwhisper implements it (`docs/reference/whisper-server.md`), as do speaches and others; a server without `stream`
responds with JSON at the end, which is handled too.

speechwhisper begins while the file arrives, with the fields before it, so all options that are known are sent there.
Those that the client sends after its file follow after it; the server then begins again, unless it streams: `stream`
before the file makes the options final, and the first segments may come before the upload ends. So `stream` is sent
there only if the client receives the segments at once, or has sent all its fields. `audio_track` and `channels` have to
be before the file in any case.
"""

from __future__ import annotations

from contextlib import nullcontext
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechbridge.transcribers.answers import DONE, read_last_event, read_transcript
from speechbridge.transcribers.post_audio import AudioForm, begin_post, restart
from speechbridge.transcribers.status import check_status, error_in_stream
from speechbridge.transcribers.transcript import segment_from
from speechbridge.upstreams import sse
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import json_object
from speechbridge.upstreams.sending import Sending

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.audio.port import Audio
    from speechbridge.transcribers.port import OnSegment, Segments, TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment, Transcript
    from speechbridge.upstreams.acquisition import Acquisition
    from speechbridge.upstreams.connection import Connection
    from speechbridge.upstreams.endpoint import Endpoint

_PATHS = {"transcribe": "/v1/audio/transcriptions", "translate": "/v1/audio/translations"}
_EVENT_STREAM = "text/event-stream"
_BEFORE_THE_FILE = frozenset({"audio_track", "channels"})
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
        on_segment: OnSegment,
        *,
        segments: Segments,
    ) -> Transcript:
        """Send the recording, report segments and return the transcript; see the port."""
        sent = options()
        stream = [("stream", str(segments != "none").lower())]
        final = segments == "passed on" or audio.size is not None
        early = self._fields(sent)

        def late_fields() -> list[tuple[str, str]]:
            latest = options()
            late = [field for field in self._fields(latest) if field not in early]
            _check_late(audio, sent, latest, late, final=final)
            return late if final else [*late, *stream]

        form = AudioForm(audio, "file", [*early, *stream] if final else early, late_fields)
        async with acquisition.exchange() as exchange:
            send = await begin_post(exchange, _PATHS[sent.task], headers, form)
            connection = exchange.connection
            async with Sending(connection, send) if send else nullcontext():
                status = await connection.response()
                if status != HTTPStatus.OK or not connection.headers.get("content-type", "").startswith(_EVENT_STREAM):
                    body = await connection.read()
                    check_status(status, body, connection.headers.get("retry-after", ""))
                    return await read_transcript(body)
                return await _read_events(connection, lambda: options().word_timestamps, on_segment)

    async def probe(self, endpoint: Endpoint) -> None:
        """Request `/readyz`; a server without that route is ready if it responds at all."""
        async with endpoint.connection() as connection:
            connection.send(endpoint.head("GET", "/readyz", "", 0))
            status = await connection.response()
            await connection.read()
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise UpstreamError(FailureKind.CONNECT, "Whisper is not ready")

    def _fields(self, options: TranscriptionOptions) -> list[tuple[str, str]]:
        fields = [("model", self._model), ("response_format", "verbose_json")]
        if options.audio_track is not None:
            fields.append(("audio_track", str(options.audio_track)))
        if options.separate_channels:
            fields.append(("channels", "separate"))
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


def _check_late(
    audio: Audio,
    sent: TranscriptionOptions,
    latest: TranscriptionOptions,
    late: list[tuple[str, str]],
    *,
    final: bool,
) -> None:
    """Restart if options have arrived after the file that the pod does not take there; raises as `restart` does."""
    names = {name for name, _ in late}
    if latest.task != sent.task:
        restart(audio, "task")
    if needed := sorted(names & _BEFORE_THE_FILE):
        restart(audio, needed[0])
    if final and names:
        restart(audio, "language")


async def _read_events(connection: Connection, words: Callable[[], bool], on_segment: OnSegment) -> Transcript:
    parser = sse.Parser()
    segments: list[Segment] = []
    done = ""
    async for chunk in connection.chunks():
        for data in _data_in(parser, chunk):
            event = {"type": DONE} if len(data) > _MAX_DELTA_CHARS else json_object(data)
            kind = event.get("type")
            if kind == "transcript.text.delta" and isinstance(event.get("segment"), dict):
                segments.append(segment_from(event["segment"], len(segments)))
                connection.check()  # with a restart to come, the client must not have it
                await on_segment(segments[-1])
            elif kind == DONE:
                done = data  # the end of the response follows at once; once read, the connection can be reused
            elif "error" in event:
                raise _error_of(event["error"])
    if not done:
        raise UpstreamError(FailureKind.DIED, "Whisper's response ended before the transcript was complete")
    transcript = await read_last_event(done, segments, words=words())
    connection.check()
    return transcript


def _error_of(error: Any) -> UpstreamError:
    described = error if isinstance(error, dict) else {}
    code, param = (value if isinstance(value := described.get(name), str) else None for name in ("code", "param"))
    return error_in_stream(str(described.get("message") or ""), code, param)


def _data_in(parser: sse.Parser, chunk: bytes) -> list[str]:
    try:
        events = parser.feed(chunk)
    except ValueError:
        raise UpstreamError(FailureKind.BAD_ANSWER, "Whisper's event stream is malformed") from None
    return [event.data for event in events if event.data != "[DONE]"]
