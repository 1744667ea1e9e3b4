"""Our own Whisper server's OpenAI door: FakeSpeechWhisper against speechwhisper with tiny.en."""

from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from contract.recordings import form, text_part
from contract.shapes import NUMBER, Exactly, assert_shape
from contract.streams import sse

USAGE = {"type": Exactly("duration"), "seconds": NUMBER}
SEGMENT = {
    "id": int,
    "seek": int,
    "start": NUMBER,
    "end": NUMBER,
    "text": str,
    "tokens": [int],
    "temperature": NUMBER,
    "avg_logprob": NUMBER,
    "compression_ratio": NUMBER,
    "no_speech_prob": NUMBER,
}
WORD = {"word": str, "start": NUMBER, "end": NUMBER}
SECONDS = {"speech_seconds": NUMBER, "transcribed_seconds": NUMBER}
INFO = {
    "language": Exactly("english"),
    "language_code": Exactly("en"),
    "language_probability": Exactly(None),
    "duration": NUMBER,
    **SECONDS,
    "coverage": {"audio_seconds": NUMBER, **SECONDS, "gaps": Exactly([]), "doubtful": Exactly([])},
    "warnings": Exactly([]),
}
TRANSCRIPT = {"task": Exactly("transcribe"), "text": str, **INFO}
BRIEF = {**TRANSCRIPT, "usage": USAGE}
WHOLE = {**BRIEF, "segments": [SEGMENT]}


async def transcribe(http: ClientSession, url: str, /, content: bytes | None = None, **fields: str) -> ClientResponse:
    return await http.post(f"{url}/v1/audio/transcriptions", data=form("file", content, **fields))


def error(code: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": str, "type": Exactly(kind), "param": (str, type(None)), "code": Exactly(code)}}


async def test_health_is_a_word(speech_whisper: str, http: ClientSession) -> None:
    answer = await http.get(f"{speech_whisper}/livez")

    assert (answer.status, await answer.text()) == (200, "OK")


async def test_readiness_tells_the_slots(speech_whisper: str, http: ClientSession) -> None:
    answer = await http.get(f"{speech_whisper}/readyz")

    assert answer.status == 200
    slots = {"slots": Exactly(1), "slots_busy": Exactly(0)}
    assert_shape(await answer.json(), {"status": Exactly("ready"), "model": Exactly("tiny.en"), **slots})


async def test_models(speech_whisper: str, http: ClientSession) -> None:
    answer = await (await http.get(f"{speech_whisper}/v1/models")).json()

    model = {"id": Exactly("tiny.en"), "object": Exactly("model"), "created": int, "owned_by": str}
    assert_shape(answer, {"object": Exactly("list"), "data": [model]})


async def test_json_is_the_default(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper)

    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert_shape(await answer.json(), BRIEF)


async def test_verbose_json(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, response_format="verbose_json")

    assert_shape(await answer.json(), WHOLE)


async def test_verbose_json_has_words_when_asked(speech_whisper: str, http: ClientSession) -> None:
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    answer = await (await transcribe(http, speech_whisper, None, **fields)).json()

    assert_shape(answer["words"], [WORD])


@pytest.mark.parametrize(
    ("wanted", "media_type", "sign"),
    [
        ("text", "text/plain", "\n"),
        ("srt", "text/plain", "1\n00:00:00,"),
        ("vtt", "text/vtt", "WEBVTT\n\n"),
    ],
)
async def test_text_formats(speech_whisper: str, http: ClientSession, wanted: str, media_type: str, sign: str) -> None:
    answer = await transcribe(http, speech_whisper, response_format=wanted)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert sign in await answer.text()


async def test_stream_has_a_delta_per_segment_and_one_done(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, stream="true")
    (*deltas, done), _ = await sse(answer)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert_shape(deltas, [{"type": Exactly("transcript.text.delta"), "delta": str, "segment": SEGMENT}])
    assert_shape(done, {"type": Exactly("transcript.text.done"), **TRANSCRIPT, "segments": [SEGMENT]})
    assert "".join(delta["delta"] for delta in deltas).strip() == done["text"].strip()


async def test_stream_has_words_when_asked(speech_whisper: str, http: ClientSession) -> None:
    fields = {"stream": "true", "timestamp_granularities[]": "word"}
    (*deltas, done), _ = await sse(await transcribe(http, speech_whisper, None, **fields))

    assert_shape([delta["segment"]["words"] for delta in deltas], [[{**WORD, "probability": NUMBER}]])
    assert_shape(done["words"], [WORD])


async def test_form_without_a_file_is_refused(speech_whisper: str, http: ClientSession) -> None:
    answer = await http.post(f"{speech_whisper}/v1/audio/transcriptions", data=text_part("prompt"))

    assert answer.status == 400
    assert_shape(await answer.json(), error("no_file"))


async def test_empty_file_is_refused(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, b"")

    assert answer.status == 400
    assert_shape(await answer.json(), error("empty_file"))


async def test_text_called_wav_is_refused(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, b"Dear diary, today I was no recording. " * 50)

    assert answer.status == 400
    assert_shape(await answer.json(), error("not_audio"))


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty_file"), (b"Dear diary, today I was no recording. " * 50, "not_audio")]
)
async def test_a_file_that_cannot_be_transcribed_is_an_error_in_the_stream(
    speech_whisper: str, http: ClientSession, content: bytes, code: str
) -> None:
    answer = await transcribe(http, speech_whisper, content, stream="true")
    (only,), _ = await sse(answer)

    assert answer.status == 200
    assert_shape(only, {"type": Exactly("error"), "error": {"message": str, "code": Exactly(code), ...: ...}})


async def test_a_stream_without_a_file_is_refused(speech_whisper: str, http: ClientSession) -> None:
    answer = await http.post(f"{speech_whisper}/v1/audio/transcriptions", data=text_part("stream", "true"))

    assert answer.status == 400
    assert_shape(await answer.json(), error("no_file"))


async def test_unknown_model_is_not_found(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, model="nobody-knows")

    assert answer.status == 404
    assert_shape(await answer.json(), error("model_not_found"))


async def test_english_only_model_cannot_translate(speech_whisper: str, http: ClientSession) -> None:
    answer = await http.post(f"{speech_whisper}/v1/audio/translations", data=form("file"))

    assert answer.status == 400
    assert_shape(await answer.json(), error("unsupported_task"))


async def test_unknown_language_is_refused(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, language="klingon")

    assert answer.status == 400
    assert_shape(await answer.json(), error("unknown_language"))


async def test_audio_track_before_the_file_is_taken(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, audio_track="0")

    assert answer.status == 200


@pytest.mark.parametrize(("track", "message"), [("1", "the file has 1 audio track, number 0"), ("one", "number")])
async def test_audio_track_that_does_not_exist_is_refused(
    speech_whisper: str, http: ClientSession, track: str, message: str
) -> None:
    answer = await transcribe(http, speech_whisper, audio_track=track)

    assert answer.status == 400
    body = await answer.json()
    assert_shape(body, error("bad_field"))
    assert body["error"]["param"] == "audio_track"
    assert message in body["error"]["message"]


@pytest.mark.parametrize(("name", "value"), [("audio_track", "0"), ("channels", "separate")])
async def test_a_field_after_the_file_is_honoured(
    speech_whisper: str, http: ClientSession, name: str, value: str
) -> None:
    data = form("file", response_format="verbose_json")
    data.add_field(name, value)

    answer = await http.post(f"{speech_whisper}/v1/audio/transcriptions", data=data)

    assert answer.status == 200
    segments = (await answer.json())["segments"]
    assert all(segment.get("channel") == (0 if name == "channels" else None) for segment in segments)


async def test_an_invalid_field_after_the_file_is_refused(speech_whisper: str, http: ClientSession) -> None:
    data = form("file")
    data.add_field("audio_track", "first")

    answer = await http.post(f"{speech_whisper}/v1/audio/transcriptions", data=data)

    assert answer.status == 400
    assert (await answer.json())["error"]["param"] == "audio_track"


async def test_channels_are_mixed_or_separate(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, channels="2")

    assert answer.status == 400
    body = await answer.json()
    assert_shape(body, error("bad_field"))
    assert body["error"]["param"] == "channels"


async def test_unknown_route_is_not_found(speech_whisper: str, http: ClientSession) -> None:
    answer = await http.get(f"{speech_whisper}/v1/nothing")

    assert answer.status == 404
    assert_shape(await answer.json(), error("not_found"))


async def test_unknown_format_is_refused(speech_whisper: str, http: ClientSession) -> None:
    answer = await transcribe(http, speech_whisper, response_format="interpretive-dance")

    assert answer.status == 400
    assert_shape(await answer.json(), error("bad_field"))


async def test_broken_form_is_refused(speech_whisper: str, http: ClientSession) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=here"}
    answer = await http.post(f"{speech_whisper}/v1/audio/transcriptions", data=b"no boundary at all", headers=headers)

    assert answer.status == 400
    assert_shape(await answer.json(), error("bad_multipart"))
