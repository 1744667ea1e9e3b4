"""whisper-asr-webservice 1.10, as read from its source and as facts about it were measured."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any, ClassVar
from urllib.parse import quote

from fakes import transcripts
from fakes.faults import Fault
from fakes.received import Received
from fakes.sending import Reply
from fakes.server import FakeUpstream
from fakes.transcripts import SPEECH, Transcript

CONTAINERS = (b"RIFF", b"ID3", b"fLaC", b"OggS", b"\x1aE\xdf\xa3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1")
PLAIN = "text/plain; charset=utf-8"


def looks_like_audio(head: bytes) -> bool:
    """A stand-in for ffmpeg's judgement: whether the first bytes are those of a known container."""
    return head.startswith(CONTAINERS) or head[4:8] == b"ftyp"


class FakeAsrWebservice(FakeUpstream):
    """whisper-asr-webservice 1.10: FastAPI on uvicorn, one job at a time, the event loop frozen while it lasts.

    While a job runs nothing is read and nothing answered on any connection: later requests wait, and so do probes. A
    client that leaves does not end its job. `transcript` is what it hears; `accepts_anything` takes any bytes for
    audio; `engine` is `openai_whisper`, `faster_whisper` or `whisperx` (whose JSON has no `text`).
    """

    idle_timeout: ClassVar[float] = 5.0  # uvicorn's default

    def __init__(
        self,
        transcript: Transcript = SPEECH,
        *,
        engine: str = "openai_whisper",
        accepts_anything: bool = False,
        idle_timeout: float | None = None,
    ) -> None:
        super().__init__(idle_timeout=idle_timeout)
        self.transcript = transcript
        self.engine = engine
        self.accepts_anything = accepts_anything
        self._job = asyncio.Lock()
        self._jobs: set[asyncio.Task[Reply]] = set()

    def is_work(self, received: Received) -> bool:
        return received.path == "/asr"

    async def awake(self) -> None:
        while self._job.locked():
            async with self._job:
                pass

    async def perform(self, received: Received, fault: Fault | None) -> Reply:
        job = asyncio.create_task(self._exclusive(received, fault))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return await asyncio.shield(job)

    async def _exclusive(self, received: Received, fault: Fault | None) -> Reply:
        async with self._job:
            return await super().perform(received, fault)

    async def _stop(self) -> None:
        for job in self._jobs:
            job.cancel()
        await super()._stop()

    async def answer(self, received: Received, fault: Fault | None) -> Reply:  # noqa: ARG002 — no stream to spoil
        match (received.method, received.path):
            case ("GET", "/"):
                return Reply(b"", 307, headers={"Location": "/docs"})
            case ("POST", "/asr"):
                return self._refusal(received) or self._transcription(received)
            case ("POST", "/detect-language"):
                return self._refusal(received) or self._detection()
            case (_, "/" | "/asr" | "/detect-language"):
                return _reply({"detail": "Method Not Allowed"}, 405)
            case _:
                return _reply({"detail": "Not Found"}, 404)

    def _refusal(self, received: Received) -> Reply | None:
        if complaint := self._invalid(received):
            return _reply({"detail": [complaint]}, 422)
        if not self._decodable(received):
            return Reply(b"Internal Server Error", 500, PLAIN, headers={"Server": "uvicorn"}, hang_up=True)
        return None

    def _detection(self) -> Reply:
        code = self.transcript.language
        return _reply({"detected_language": "english", "language_code": code, "confidence": 0.97})

    def _invalid(self, received: Received) -> dict[str, Any] | None:
        """FastAPI's complaint; a file part without a filename is a text field to it."""
        text = received.value("audio_file")
        if text is not None:
            return {
                "type": "value_error",
                "loc": ["body", "audio_file"],
                "msg": "Value error, Expected UploadFile, received: <class 'str'>",
                "input": text,
                "ctx": {"error": {}},
            }
        if received.audio is None or received.audio.field != "audio_file":
            return {"type": "missing", "loc": ["body", "audio_file"], "msg": "Field required", "input": None}
        return None

    def _decodable(self, received: Received) -> bool:
        if received.query.get("encode", "true").lower() in {"false", "0", "no", "off"} or self.accepts_anything:
            return True
        return received.audio is not None and looks_like_audio(received.audio.head)

    def _transcription(self, received: Received) -> Reply:
        output = received.query.get("output", "txt")
        filename = received.audio.filename if received.audio else None
        headers = {
            "Server": "uvicorn",
            "Asr-Engine": self.engine,
            "Content-Disposition": f'attachment; filename="{quote(filename or "")}.{output}"',
        }
        return Reply(_encoded(self._lines(received, output)), content_type=PLAIN, headers=headers)

    def _lines(self, received: Received, output: str) -> Iterable[str]:
        writers = {"txt": transcripts.txt, "vtt": transcripts.vtt, "srt": transcripts.srt, "tsv": transcripts.tsv}
        if output == "json":
            return [json.dumps(self._result(received))]
        return writers[output](self.transcript) if output in writers else []  # an unknown format: 200 and nothing

    def _result(self, received: Received) -> dict[str, Any]:
        heard = self.transcript
        language = received.query.get("language") or heard.language
        with_words = received.query.get("word_timestamps", "false").lower() in {"true", "1", "yes", "on"}
        if self.engine == "whisperx":
            segments: list[dict[str, Any]] = [
                {"start": segment.start, "end": segment.end, "text": segment.text, "words": _aligned(segment)}
                for segment in heard.segments
            ]
            return {
                "segments": segments,
                "word_segments": [word for segment in segments for word in segment["words"]],
                "language": language,
            }
        segments = [transcripts.segment_object(index, segment) for index, segment in enumerate(heard.segments)]
        for segment, source in zip(segments, heard.segments, strict=True):
            if with_words:
                segment["words"] = transcripts.words(source)
        return {"text": heard.text, "segments": segments, "language": language}


def _aligned(segment: transcripts.Segment) -> list[dict[str, Any]]:
    """whisperx's words: a score, no leading space."""
    return [
        {"word": word["word"].strip(), "start": word["start"], "end": word["end"], "score": 0.87}
        for word in transcripts.words(segment)
    ]


async def _encoded(lines: Iterable[str]) -> AsyncIterator[bytes]:
    for line in lines:
        yield line.encode()


def _reply(data: object, status: int = 200) -> Reply:
    return Reply(json.dumps(data).encode(), status)
