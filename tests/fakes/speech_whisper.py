"""The OpenAI door of this project's own Whisper server."""

import json
import math
from collections.abc import AsyncIterator
from typing import Any

from fakes import transcripts
from fakes.faults import EndsEarly, Fault, StreamError
from fakes.gates import Point
from fakes.received import Received
from fakes.sending import Reply
from fakes.server import FakeUpstream
from fakes.transcripts import SPEECH, Transcript
from fakes.whisper import PLAIN, looks_like_audio


class FakeSpeechWhisper(FakeUpstream):
    """Answers json, text, srt, vtt, verbose_json and streams; errors in OpenAI's shape.

    `concurrency` jobs run at once; one more is refused with 503 and `Retry-After` before its body is read. `ready` is
    what /readyz tells. Between segments of a stream the token gates hold.
    """

    def __init__(
        self,
        transcript: Transcript = SPEECH,
        *,
        model: str = "tiny.en",
        concurrency: int = 1,
        accepts_anything: bool = False,
        retry_after: int = 2,
    ) -> None:
        super().__init__()
        self.transcript = transcript
        self.model = model
        self.concurrency = concurrency
        self.accepts_anything = accepts_anything
        self.retry_after = retry_after
        self.ready = True

    def is_work(self, received: Received) -> bool:
        return received.path in {"/v1/audio/transcriptions", "/v1/audio/translations"}

    def refuses(self, received: Received) -> Reply | None:
        busy = sum(1 for other in self.work if other is not received and other.finished is None)
        if not self.is_work(received) or busy < self.concurrency:
            return None
        reply = _openai_error(503, "all slots are busy", "busy", "server_error")
        reply.headers = {"Retry-After": str(self.retry_after)}
        return reply

    def broken_form(self) -> Reply:
        return _openai_error(400, "the multipart body cannot be parsed", "bad_multipart")

    async def answer(self, received: Received, fault: Fault | None) -> Reply:
        match received.path:
            case "/healthz":
                return _reply({"status": "ok"})
            case "/readyz":
                return _reply({"status": "ready"}) if self.ready else _reply({"status": "loading"}, 503)
            case "/v1/models":
                model = {"id": self.model, "object": "model", "created": 1764000000, "owned_by": "speechwhisper"}
                return _reply({"object": "list", "data": [model]})
            case "/v1/audio/transcriptions" | "/v1/audio/translations":
                return self._invalid(received) or self._transcription(received, fault)
            case _:
                return _openai_error(404, f"no such route: {received.path}", "not_found")

    def _invalid(self, received: Received) -> Reply | None:
        audio = received.audio
        if audio is None or audio.field != "file":
            return _openai_error(400, "the field `file` is missing", "no_file", param="file")
        if audio.size == 0:
            return _openai_error(400, "the file is empty", "empty_file", param="file")
        if not (self.accepts_anything or looks_like_audio(audio.head)):
            return _openai_error(400, "the file is not audio that can be decoded", "not_audio", param="file")
        if received.value("model") not in {None, "", self.model, "whisper-1"}:
            return _openai_error(404, f"unknown model {received.value('model')!r}", "unknown_model", param="model")
        return None

    def _transcription(self, received: Received, fault: Fault | None) -> Reply:
        if received.value("stream") in {"true", "1"}:
            headers = {"Cache-Control": "no-cache"}
            return Reply(self._events(received, fault), content_type="text/event-stream", headers=headers)
        wanted = received.value("response_format") or "json"
        text = self.transcript.text.strip()
        plain = {
            "text": f"{text}\n",
            "srt": "".join(transcripts.srt(self.transcript)),
            "vtt": "".join(transcripts.vtt(self.transcript)),
        }
        if wanted in plain:
            return Reply(plain[wanted].encode(), content_type=PLAIN)
        if wanted == "json":
            return _reply({"text": text, "usage": self._usage()})
        if wanted == "verbose_json":
            task = "translate" if received.path.endswith("translations") else "transcribe"
            return _reply({"task": task, "text": text, **self._details(received)})
        return _openai_error(400, f"unknown response_format {wanted!r}", "bad_field", param="response_format")

    def _usage(self) -> dict[str, Any]:
        return {"type": "duration", "seconds": math.ceil(self.transcript.duration)}

    def _details(self, received: Received) -> dict[str, Any]:
        heard = self.transcript
        details: dict[str, Any] = {
            "language": received.value("language") or heard.language,
            "duration": heard.duration,
            "speech_seconds": round(sum(segment.end - segment.start for segment in heard.segments), 3),
            "transcribed_seconds": heard.duration,
            "segments": [transcripts.segment_object(index, segment) for index, segment in enumerate(heard.segments)],
            "usage": self._usage(),
        }
        if "word" in received.form.get("timestamp_granularities[]", []):
            details["words"] = [word for segment in heard.segments for word in transcripts.words(segment)]
        return details

    async def _events(self, received: Received, fault: Fault | None) -> AsyncIterator[bytes]:
        for index, segment in enumerate(self.transcript.segments):
            if isinstance(fault, StreamError) and index == fault.after:
                yield _event({"type": "error", "error": {"message": fault.message, "code": "internal_error"}})
                return
            if isinstance(fault, EndsEarly) and index == fault.after:
                return
            await self.at(Point.BETWEEN_TOKENS if index else Point.BEFORE_FIRST_TOKEN)
            described = transcripts.segment_object(index, segment)
            yield _event({"type": "transcript.text.delta", "delta": segment.text, "segment": described})
        await self.at(Point.BEFORE_LAST_LINE)
        text = self.transcript.text.strip()
        yield _event({"type": "transcript.text.done", "text": text, **self._details(received)})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _reply(data: object, status: int = 200) -> Reply:
    return Reply(json.dumps(data).encode(), status)


def _openai_error(
    status: int, message: str, code: str, kind: str = "invalid_request_error", *, param: str | None = None
) -> Reply:
    return _reply({"error": {"message": message, "type": kind, "param": param, "code": code}}, status)
