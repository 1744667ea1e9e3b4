"""The OpenAI door of this project's own Whisper server."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fakes import transcripts
from fakes.faults import EndsEarly, Fault, StreamError
from fakes.gates import Point
from fakes.received import Received
from fakes.sending import Reply, event, wire
from fakes.server import FakeUpstream
from fakes.speech_whisper_errors import error_event, error_reply
from fakes.transcripts import SPEECH, Transcript
from fakes.whisper import PLAIN, looks_like_audio
from fakes.whisper_queue import WhisperQueue

EVENTS = "text/event-stream; charset=utf-8"
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
WORK = frozenset({"/v1/audio/transcriptions", "/v1/audio/translations"})

_NAMES = {"en": "english", "de": "german"}


class FakeSpeechWhisper(FakeUpstream):
    """Answers json, text, srt, vtt, verbose_json and streams; errors in OpenAI's shape.

    `concurrency` jobs run at once and `room` more wait for their turn, their bodies unread and without
    `100 Continue`; one more is refused with 503 and `Retry-After`. The `queue` is told by /load, and by `Speech-Load`
    in every answer. Once `ready` is false it shuts down: it refuses what waits and what comes. A `model` called `*.en`
    knows only English. Between segments of a stream the token gates hold.
    """

    def __init__(
        self,
        transcript: Transcript = SPEECH,
        *,
        model: str = "tiny.en",
        concurrency: int = 1,
        accepts_anything: bool = False,
        room: int = 64,
        speed: float = 0.0,
    ) -> None:
        super().__init__()
        self.transcript = transcript
        self.model = model
        self.accepts_anything = accepts_anything
        self.queue = WhisperQueue(concurrency, room, self._now, speed)
        self.load_interval = 1.0
        """Seconds between two events of /load, at least."""
        self.reports_load = True
        """Servers before the queue have no /load."""
        self.audio_tracks = 1
        """Of each recording."""
        self.channels = 1
        """Of each recording; with `channels=separate`, the segments are on each of them in turn."""
        self.warnings: list[dict[str, str]] = []
        """Further warnings of each transcript."""
        self.disk_full = False
        """It then has no space for the copy of a file that is read out of order."""
        self._ready = True

    @property
    def ready(self) -> bool:
        return self._ready

    @ready.setter
    def ready(self, ready: bool) -> None:
        self._ready = ready
        self.progressed()

    def is_work(self, received: Received) -> bool:
        return received.path in WORK

    def common_headers(self) -> Mapping[str, str]:
        return {"Speech-Load": self.queue.header()} if self.reports_load else {}

    async def refuses(self, received: Received) -> Reply | None:
        if not self.is_work(received):
            return None
        if self._stops():
            return _busy("The server is shutting down.", 1)
        if self.queue.full:
            return _busy("The queue is full.", self.queue.retry_after())
        self.queue.waiting.append(received)
        self.progressed()
        try:
            await self.until(lambda: self._stops() or self.queue.has_turn(received), deadline=None)
        finally:
            self.queue.waiting.remove(received)
            self.progressed()
        if self._stops():
            return _busy("The server is shutting down.", 1)
        self.queue.working.append(received)
        return None

    def _stops(self) -> bool:
        return not self.ready

    async def perform(self, received: Received, fault: Fault | None) -> Reply:
        reply = await super().perform(received, fault)
        if isinstance(reply.body, bytes):  # the real one gives back the slot before it answers
            self.ended(received)
        return reply

    def ended(self, received: Received) -> None:
        self.queue.release(received)
        self.progressed()

    def broken_form(self) -> Reply:
        return error_reply(400, "the multipart body cannot be parsed", "bad_multipart")

    async def answer(self, received: Received, fault: Fault | None) -> Reply:
        match received.path:
            case "/livez":
                return Reply(b"OK", content_type=PLAIN)
            case "/readyz":
                return self._readiness()
            case "/load" if self.reports_load:
                return self._load(received)
            case "/v1/models":
                model = {"id": self.model, "object": "model", "created": 0, "owned_by": "speechwhisper"}
                return _reply({"object": "list", "data": [model]})
            case "/v1/audio/transcriptions" | "/v1/audio/translations":
                return self.bad_fields(received) or self._transcription(received, fault)
            case _:
                return error_reply(404, f"no such route: {received.path}", "not_found")

    def _readiness(self) -> Reply:
        body = {"status": "ready" if self.ready else "stopping", "model": self.model}
        slots = {"slots": self.queue.slots, "slots_busy": len(self.queue.working)}
        return _reply({**body, **slots}, 200 if self.ready else 503)

    def _load(self, received: Received) -> Reply:
        if "text/event-stream" not in received.headers.get("Accept", ""):
            return _reply(self.queue.load())
        if not self.ready:
            return _busy("The server is shutting down.", 1)
        return Reply(self._loads(), content_type=EVENTS, headers=UNBUFFERED, early_head=True)

    async def _loads(self) -> AsyncIterator[bytes]:
        sent: dict[str, int | float] = {}
        while self.ready:
            if (now := self.queue.load()) != sent:
                yield event(now)
                sent = now
                await asyncio.sleep(self.load_interval)
                continue
            try:
                await self.until(lambda: not self.ready or self.queue.load() != sent, deadline=15.0)  # noqa: B023
            except TimeoutError:
                yield b": keep-alive\n\n"

    def bad_fields(self, received: Received) -> Reply | None:
        """The answer to fields that are invalid whatever the file is."""
        model, language = received.value("model"), received.value("language")
        english_only = self.model.endswith(".en")
        if english_only and received.path.endswith("/translations"):
            return error_reply(400, "this model knows only English and cannot translate", "unsupported_task")
        if model not in {None, "", self.model, "whisper-1"}:
            return error_reply(404, f"the model {model!r} is not here", "model_not_found", param="model")
        if language and language != "en" and (english_only or len(language) > 3):
            return error_reply(400, f"unknown language {language!r}", "unknown_language", param="language")
        if received.value("response_format") not in {None, "", "json", "text", "srt", "vtt", "verbose_json"}:
            return error_reply(400, "unknown response_format", "bad_field", param="response_format")
        return _bad_track_or_channels(received)

    def bad_file(self, received: Received) -> Reply | None:
        """The answer to a file that cannot be transcribed."""
        audio = received.audio
        if audio is None or audio.field != "file":
            return error_reply(400, "the field `file` is missing", "no_file", param="file")
        if audio.size == 0:
            return error_reply(400, "the file is empty", "empty_file", param="file")
        if not (self.accepts_anything or looks_like_audio(audio.head)):
            return error_reply(400, "the file is not audio that can be decoded", "not_audio")
        if self.disk_full and audio.head[4:8] == b"ftyp":
            return _refused("The disk space for uploads is exhausted; try again in 30 s.", "no_space", 30)
        track = int(received.value("audio_track") or "0")
        if track >= self.audio_tracks:
            tracks = f"the file has {self.audio_tracks} audio track, number 0"
            return error_reply(400, f"There is no audio track {track}: {tracks}.", "bad_field", param="audio_track")
        return None

    def stream(self, events: AsyncIterator[bytes]) -> Reply:
        return Reply(events, content_type=EVENTS, headers=UNBUFFERED, early_head=True)

    def _transcription(self, received: Received, fault: Fault | None) -> Reply:
        bad = self.bad_file(received)
        if streams(received) and received.audio:
            return self.stream(_only(error_event(bad)) if bad else self.events(received, fault))
        return bad or self._whole(received)

    def _whole(self, received: Received) -> Reply:
        heard = self.transcript
        match received.value("response_format"):
            case "text":
                return Reply(f"{heard.text.strip()}\n".encode(), content_type=PLAIN)
            case "srt":
                return Reply("".join(transcripts.srt(heard)).encode(), content_type=PLAIN)
            case "vtt":
                return Reply("".join(transcripts.vtt(heard)).encode(), content_type="text/vtt; charset=utf-8")
            case "verbose_json":
                return _reply(self._verbose(received))
            case _:
                return _reply(self._brief(received))

    def _brief(self, received: Received) -> dict[str, Any]:
        heard = self.transcript
        code = received.value("language") or heard.language
        seconds = {
            "speech_seconds": round(sum(segment.end - segment.start for segment in heard.segments), 3),
            "transcribed_seconds": heard.duration,
        }
        warnings = [] if heard.text.strip() else [{"code": "no_speech", "message": "No speech was found."}]
        return {
            "text": "".join(self._passage(index, received) for index in range(len(heard.segments))).strip(),
            "task": "translate" if received.path.endswith("/translations") else "transcribe",
            "language": _NAMES.get(code, code),
            "language_code": code,
            "duration": heard.duration,
            "language_probability": None,
            **seconds,
            "coverage": {"audio_seconds": heard.duration, **seconds, "gaps": [], "doubtful": []},
            "warnings": [*warnings, *self.warnings],
            "usage": {"type": "duration", "seconds": math.ceil(heard.duration)},
        }

    def _verbose(self, received: Received) -> dict[str, Any]:
        body = self._brief(received)
        body["segments"] = [self._segment(index, received) for index in range(len(self.transcript.segments))]
        if _wants_words(received):
            words = [word for segment in self.transcript.segments for word in transcripts.words(segment)]
            body["words"] = [
                {"word": word["word"].strip(), "start": word["start"], "end": word["end"]} for word in words
            ]
        return body

    def _segment(self, index: int, received: Received) -> dict[str, Any]:
        segment = self.transcript.segments[index]
        described = transcripts.segment_object(index, segment)
        if _is_separate(received):
            described["channel"] = index % self.channels
        return {**described, "words": transcripts.words(segment)} if _wants_words(received) else described

    def _passage(self, index: int, received: Received) -> str:
        text = self.transcript.segments[index].text
        return f"[Channel {index % self.channels}]: {text.strip()}\n" if _is_separate(received) else text

    async def events(self, received: Received, fault: Fault | None) -> AsyncIterator[bytes]:
        for index in range(len(self.transcript.segments)):
            if isinstance(fault, StreamError) and index == fault.after:
                yield event({"type": "error", "error": {"message": fault.message, "code": "internal"}})
                return
            if isinstance(fault, EndsEarly) and index == fault.after:
                return
            await self.at(Point.BETWEEN_TOKENS if index else Point.BEFORE_FIRST_TOKEN)
            described = self._segment(index, received)
            delta = self._passage(index, received)
            yield event({"type": "transcript.text.delta", "delta": delta, "segment": described})
        await self.at(Point.BEFORE_LAST_LINE)
        done = self._verbose(received)
        del done["usage"]
        yield event({"type": "transcript.text.done", **done})


def _bad_track_or_channels(received: Received) -> Reply | None:
    if not (received.value("audio_track") or "0").isdigit():
        return error_reply(400, "audio_track must be a number", "bad_field", param="audio_track")
    if received.value("channels") not in {None, "", "mixed", "separate"}:
        return error_reply(400, "channels must be one of mixed, separate", "bad_field", param="channels")
    return None


def streams(received: Received) -> bool:
    return received.value("stream") in {"true", "1"}


def _wants_words(received: Received) -> bool:
    return "word" in received.form.get("timestamp_granularities[]", [])


async def _only(one: bytes) -> AsyncIterator[bytes]:
    yield one


def _is_separate(received: Received) -> bool:
    return received.value("channels") == "separate"


def _reply(data: object, status: int = 200) -> Reply:
    return Reply(wire(data), status)


def _busy(message: str, retry_after: int) -> Reply:
    return _refused(message, "busy", retry_after)


def _refused(message: str, code: str, retry_after: int) -> Reply:
    reply = error_reply(503, message, code, "server_error")
    reply.headers = {"Retry-After": str(retry_after)}
    return reply
