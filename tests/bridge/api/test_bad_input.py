"""Invalid requests are rejected with a status, a stable code, and the error format of the API; none is a 500."""

import base64
import json
from typing import Any

import aiohttp
import pytest

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import BOUNDARY, CLOSING, Connection, Reply, exchange, head, multipart, part
from fakes.faults import Answer
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

FORMS = ["/process", "/v1/audio/transcriptions", "/v1/audio/translations"]
EVERY = [*FORMS, "/v1/chat/completions"]
FILE = part("file", WAV, filename="a.wav")
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def problem(reply: Reply, path: str) -> tuple[int, str]:
    """Status and code, after checking everything that an error must have."""
    if path.startswith("/v1/"):
        assert reply.headers["content-type"].startswith("application/json")
        error = reply.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["type"] == ("invalid_request_error" if reply.status < 500 else "server_error")
        assert error["message"]
        code = error["code"]
    else:
        assert reply.headers["content-type"].startswith("application/problem+json")
        document = reply.json()
        assert set(document) - {"param"} == {"type", "title", "status", "detail", "code", "request_id"}
        assert (document["type"], document["status"]) == ("about:blank", reply.status)
        assert document["title"]
        assert document["detail"]
        assert document["request_id"] == reply.headers["x-request-id"]
        code = document["code"]
    assert reply.headers["x-request-id"]
    return reply.status, code


async def post(bridge: Bridge, path: str, data: Any, content_type: str = MULTIPART) -> tuple[int, str]:
    async with bridge.client.post(path, data=data, headers={"Content-Type": content_type}) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return problem(Reply(response.status, headers, await response.read()), path)


@pytest.fixture(params=["asr", "openai"])
async def either_bridge(
    request: pytest.FixtureRequest,
    start_bridge: StartBridge,
    asr: FakeAsrWebservice,
    speech_whisper: FakeSpeechWhisper,
    ollama: FakeOllama,
) -> Bridge:
    """The bridge over each of the transcribers."""
    if request.param == "asr":
        return await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, max_upload_bytes=100_000)
    return await start_bridge(
        whisper_url=speech_whisper.url, transcriber="openai", ollama_url=ollama.url, max_upload_bytes=100_000
    )


BAD_FORMS = {
    "no file": (multipart(part("prompt", "Hello")), 400, "no_file"),
    "a file in another field": (multipart(part("recording", WAV, filename="a.wav")), 400, "no_file"),
    "no part": (CLOSING, 400, "no_file"),
    "empty file": (multipart(part("file", b"", filename="a.wav")), 400, "empty_file"),
    "two files": (multipart(FILE, FILE), 400, "bad_field"),
    "empty body": (b"", 400, "bad_multipart"),
    "another boundary": (multipart(FILE).replace(BOUNDARY.encode(), b"another"), 400, "bad_multipart"),
    "no closing boundary": (FILE, 400, "bad_multipart"),
    "cut in a delimiter": (multipart(FILE)[:-8], 400, "bad_multipart"),
    "LF for CRLF": (multipart(part("prompt", "x")).replace(b"\r\n", b"\n"), 400, "bad_multipart"),
    "text after a delimiter": (
        multipart(FILE).replace(BOUNDARY.encode() + b"--", b"a-boundaryX"),
        400,
        "bad_multipart",
    ),
    "no name": (multipart(FILE.replace(b'; name="file"', b"")), 400, "bad_multipart"),
    "no disposition": (multipart(FILE.replace(b"Content-Disposition", b"Content-Dispo")), 400, "bad_multipart"),
    "endless preamble": (b"x" * 20_000 + multipart(FILE), 400, "bad_multipart"),
    "10,000 parts": (multipart(*[part("x", "y")] * 10_000), 400, "too_many_parts"),
    "10,000 parts after the file": (multipart(FILE, *[part("x", "y")] * 10_000), 400, "too_many_parts"),
    "giant part header": (multipart(part("file", WAV, filename="a" * 100_000)), 400, "headers_too_large"),
    "many part headers": (
        multipart(part("file", WAV, filename="a", headers="X-A: b\r\n" * 10_000)),
        400,
        "headers_too_large",
    ),
    "field not UTF-8": (multipart(part("prompt", b"caf\xe9"), FILE), 400, "field_not_utf8"),
    "field not UTF-8, after the file": (multipart(FILE, part("prompt", b"caf\xe9")), 400, "field_not_utf8"),
    "a field with a file name, not UTF-8": (
        multipart(part("prompt", b"\xe9", filename="x"), FILE),
        400,
        "field_not_utf8",
    ),
    "unknown language with a file name": (
        multipart(part("language", "klingon", filename="blob"), FILE),
        400,
        "unknown_language",
    ),
    "field too long": (multipart(part("prompt", "x" * 300_000), FILE), 400, "field_too_large"),
    "unknown model": (multipart(part("model", "gpt-9"), FILE), 404, "model_not_found"),
    "unknown model, after the file": (multipart(FILE, part("model", "gpt-9")), 404, "model_not_found"),
    "unknown language": (multipart(part("language", "klingon"), FILE), 400, "unknown_language"),
    "unknown language, after the file": (multipart(FILE, part("language", "klingon")), 400, "unknown_language"),
    "two languages": (multipart(part("language", "en"), part("language", "de"), FILE), 400, "bad_field"),
    "no such audio track": (multipart(part("audio_track", "-1"), FILE), 400, "bad_field"),
    "no such audio track, after the file": (multipart(FILE, part("audio_track", "first")), 400, "bad_field"),
    "channels by number": (multipart(part("channels", "2"), FILE), 400, "bad_field"),
    "channels by number, after the file": (multipart(FILE, part("channels", "2")), 400, "bad_field"),
    "hotwords twice": (multipart(part("hotwords", "Ada"), part("vocabulary", "Ada"), FILE), 400, "bad_field"),
    "stream is no truth value": (multipart(part("stream", "perhaps"), FILE), 400, "bad_field"),
    "text called .wav": (multipart(part("file", "This is text.", filename="a.wav")), 400, "not_audio"),
    "a page called .mp3": (multipart(part("file", "<!doctype html>", filename="a.mp3")), 400, "not_audio"),
    "one byte": (multipart(part("file", b"\x00", filename="a.wav")), 400, "not_audio"),
    "upload over the cap": (multipart(part("file", WAV * 4, filename="a.wav")), 413, "upload_too_large"),
}


@pytest.mark.parametrize("path", ["/process", "/v1/audio/transcriptions"])
@pytest.mark.parametrize("case", BAD_FORMS)
async def test_a_bad_form_is_refused(either_bridge: Bridge, path: str, case: str) -> None:
    body, status, code = BAD_FORMS[case]

    assert await post(either_bridge, path, body) == (status, code)

    assert either_bridge.service.admission.open == 0
    assert all(endpoint.outstanding == 0 for endpoint in either_bridge.service.whisper.endpoints)


async def test_translations_reject_an_invalid_form_too(bridge: Bridge) -> None:
    assert await post(bridge, "/v1/audio/translations", multipart(part("prompt", "Hello"))) == (400, "no_file")


BAD_OPTIONS = {
    "response_format": ({"response_format": "mp3"}, "bad_field"),
    "temperature": ({"temperature": "hot"}, "bad_field"),
    "temperature nan": ({"temperature": "nan"}, "bad_field"),
    "temperature over 1": ({"temperature": "1.1"}, "bad_field"),
    "granularity": ({"response_format": "verbose_json", "timestamp_granularities[]": "phoneme"}, "bad_field"),
    "granularity without verbose_json": ({"timestamp_granularities[]": "word"}, "bad_field"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_openais_options_are_checked(bridge: Bridge, case: str, after: bool) -> None:  # noqa: FBT001 - a case
    fields, code = BAD_OPTIONS[case]
    parts = [part(name, value) for name, value in fields.items()]

    body = multipart(FILE, *parts) if after else multipart(*parts, FILE)

    assert await post(bridge, "/v1/audio/transcriptions", body) == (400, code)


@pytest.mark.parametrize(
    ("code", "status"), [("not_audio", 400), ("no_audio_stream", 400), ("empty_file", 400), ("audio_too_long", 413)]
)
@pytest.mark.parametrize("path", FORMS)
async def test_an_audio_error_of_our_whisper_server_is_forwarded(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, path: str, code: str, status: int
) -> None:
    error = {"error": {"message": "cannot be", "type": "invalid_request_error", "param": "file", "code": code}}
    speech_whisper.always(Answer(status, json.dumps(error).encode()))

    assert await post(streaming_bridge, path, multipart(FILE)) == (status, code)

    assert len(speech_whisper.work) == 1


@pytest.mark.parametrize("path", FORMS)
async def test_an_audio_track_that_the_file_lacks_is_rejected_with_their_number(
    start_bridge: StartBridge, ollama: FakeOllama, path: str
) -> None:
    async with FakeSpeechWhisper(model="small") as whisper:
        bridge = await start_bridge(whisper_url=whisper.url, transcriber="openai", ollama_url=ollama.url)
        form = multipart(FILE, part("audio_track", "1"))

        async with bridge.client.post(path, data=form, headers={"Content-Type": MULTIPART}) as response:
            answer = await response.json(content_type=None)

    problem = answer.get("error", answer)
    assert (response.status, problem["code"], problem["param"]) == (400, "bad_field", "audio_track")
    text = problem.get("message") or problem["detail"]
    assert text.endswith("There is no audio track 1: the file has 1 audio track, number 0.")
    assert len(whisper.work) == 1
    assert "audio_track" in whisper.work[0].before_the_file


@pytest.mark.parametrize("code", ["audio_too_long", "not_audio", "no_audio_stream"])
async def test_an_audio_error_after_the_response_started_is_forwarded(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, code: str
) -> None:
    event = {"type": "error", "error": {"message": "cannot be", "code": code}}
    answer = Answer(200, f"data: {json.dumps(event)}\n\n".encode(), "text/event-stream")
    speech_whisper.always(answer)

    assert (await post(streaming_bridge, "/process", multipart(FILE)))[1] == code


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "content_type",
    ["application/json", "image/png", "multipart/mixed; boundary=x", "application/x-www-form-urlencoded"],
)
async def test_a_body_that_is_not_a_form_is_415(bridge: Bridge, path: str, content_type: str) -> None:
    assert await post(bridge, path, b"{}", content_type) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", FORMS)
async def test_no_content_type_is_415(bridge: Bridge, path: str) -> None:
    request = f"POST {path} HTTP/1.1\r\nHost: bridge\r\nContent-Length: 2\r\n\r\n{{}}".encode()

    assert problem(await exchange(bridge.url, request), path) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
        'multipart/form-data; boundary="a\tb"',
        "multipart/form-data; boundary=a; boundary=b",
    ],
)
async def test_a_bad_boundary_is_refused(bridge: Bridge, content_type: str) -> None:
    assert await post(bridge, "/process", multipart(FILE), content_type) == (400, "bad_multipart")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", EVERY)
async def test_another_method_is_405_and_the_allowed_one_is_listed(bridge: Bridge, path: str, method: str) -> None:
    async with bridge.client.request(method, path) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        reply = Reply(response.status, headers, await response.read())

    assert problem(reply, path) == (405, "method_not_allowed")
    assert headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/%ff", "/" + "x" * 4000])
async def test_an_unknown_path_is_404(bridge: Bridge, path: str) -> None:
    assert await post(bridge, path, b"") == (404, "not_found")


# What is no request at all: aiohttp answers it before any route or middleware.

BROKEN_REQUESTS = {
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /health HTTX/1.1\r\n\r\n",
    "10,000 headers": b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X-Many: x\r\n" * 10_000 + b"\r\n",
    "bad header": b"GET /health HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n",
    "negative length": b"POST /process HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /process HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": (
        b"POST /process HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("case", BROKEN_REQUESTS)
async def test_a_malformed_request_is_rejected(bridge: Bridge, case: str) -> None:
    async with Connection.to(bridge.url) as connection:
        await connection.send(BROKEN_REQUESTS[case])
        reply = await connection.reply()
        rest = await connection.ended()

    assert problem(reply, "") == (400, "bad_request")
    assert rest == b""


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /health HTTP/1.1\r\nHost: a\r\nX-Big: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["header", "address"],
)
async def test_giant_headers_are_431(bridge: Bridge, request_head: bytes) -> None:
    assert problem(await exchange(bridge.url, request_head), "") == (431, "request_headers_too_large")


async def test_long_but_common_headers_are_accepted(bridge: Bridge) -> None:
    async with bridge.client.get("/health", headers={"Cookie": "c" * 8000}) as response:
        assert response.status == 200


async def test_a_malformed_request_is_logged_without_its_content(
    bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    await exchange(bridge.url, b"kumquat marmalade\r\n\r\n")

    assert "kumquat" not in caplog.text
    assert [
        record.__dict__["fields"]["code"] for record in caplog.records if record.message == "malformed request"
    ] == ["bad_request"]


# Bodies that are not what was declared.


async def test_a_body_shorter_than_declared_is_upload_stalled(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, upload_stall_timeout=0.1)
    body = multipart(FILE)

    reply = await exchange(bridge.url, head("/process", length=len(body) + 100), body)

    assert problem(reply, "/process") == (408, "upload_stalled")


async def test_a_body_longer_than_declared_is_cut_off(bridge: Bridge) -> None:
    body = multipart(part("prompt", "Kumquat"), FILE)

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=100), body)
        reply = await connection.reply()
        rest = await connection.ended()

    # Which of the two is seen first depends on how the bytes came: the form's end, or what cannot be a request.
    assert problem(reply, "/process") in {(400, "bad_multipart"), (400, "bad_request")}
    assert rest == b"" or rest.startswith(b"HTTP/1.0 400")


async def test_bytes_after_a_valid_body_are_a_malformed_request(
    bridge: Bridge, asr: FakeAsrWebservice, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    body = multipart(FILE)

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(body)), body)
        await gate.reached()
        await connection.send(b"kumquat marmalade\r\n\r\n")
        gate.release()
        first = await connection.reply()
        second = await connection.reply()

    assert first.status == 200
    assert problem(second, "") == (400, "bad_request")
    assert "kumquat" not in caplog.text


@pytest.mark.parametrize("path", EVERY)
async def test_invalid_chunked_encoding_is_rejected(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, path: str
) -> None:
    """aiohttp does not report it to the handler: there, the body merely stalls."""
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, upload_stall_timeout=0.1)

    async with Connection.to(bridge.url) as connection:
        await connection.send(head(path, length=None), b"20\r\n" + multipart(FILE)[:32] + b"\r\n")
        await inside(bridge, 1)
        await connection.send(b"not a size\r\n")
        reply = await connection.reply()

    assert problem(reply, path) == (408, "upload_stalled")


async def test_a_body_that_does_not_decompress_is_refused(bridge: Bridge) -> None:
    body = multipart(FILE)

    reply = await exchange(bridge.url, head("/process", length=len(body), headers="Content-Encoding: gzip\r\n"), body)

    assert reply.status == 400


async def test_a_declared_length_over_the_limit_is_rejected_unread(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, max_upload_bytes=1000)

    reply = await exchange(bridge.url, head("/process", length=10_000_000))

    assert problem(reply, "/process") == (413, "upload_too_large")
    assert asr.requests == []


async def test_an_undeclared_length_over_the_limit_is_rejected_midway(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_upload_bytes=1_000_000, stream_start_bytes=1000
    )
    gate = asr.hold(Point.UPLOAD_STARTED)
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    opening = part("file", WAV[:100], filename="a.wav")[:-2]

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=None), b"%x\r\n" % len(opening), opening, b"\r\n", chunk)
        await gate.reached()
        gate.release()
        await connection.send(*[chunk] * 16)
        reply = await connection.reply()

    assert problem(reply, "/process") == (413, "upload_too_large")
    await asr.until(lambda: asr.work[0].disconnected)


# Chat.

SPOKEN = {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}}


def chat(*content: Any, **members: Any) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": list(content)}], **members}).encode()


def said(**audio: Any) -> bytes:
    return chat({"type": "input_audio", "input_audio": audio})


BAD_CHATS = {
    "empty": (b"", "bad_json"),
    "not JSON": (b"{", "bad_json"),
    "not UTF-8": (b'{"messages": "\xff"}', "bad_json"),
    "not an object": (b"[]", "bad_json"),
    "too deep": (b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "bad_json"),
    "a number of 10,000 digits": (b'{"messages":' + b"1" * 10_000 + b"}", "bad_json"),
    "no messages": (b"{}", "bad_field"),
    "empty messages": (b'{"messages":[]}', "bad_field"),
    "messages of text": (b'{"messages":["hello"]}', "bad_field"),
    "no role": (b'{"messages":[{"content":"hello"}]}', "bad_field"),
    "model is a number": (chat(SPOKEN, model=5), "bad_field"),
    "stream is text": (chat(SPOKEN, stream="yes"), "bad_field"),
    "unknown model": (chat(SPOKEN, model="gpt-9"), "model_not_found"),
    "audio without data": (said(format="wav"), "bad_field"),
    "audio that is text": (chat({"type": "input_audio", "input_audio": "a.wav"}), "bad_field"),
    "bad base64": (said(data="%%%", format="wav"), "bad_field"),
    "base64 that is not ASCII": (said(data="zürich", format="wav"), "bad_field"),
    "cut base64": (said(data="UklGR", format="wav"), "bad_field"),
    "no audio in base64": (said(data="", format="wav"), "empty_file"),
    "text in base64": (said(data=base64.b64encode(b"This is text.").decode(), format="wav"), "not_audio"),
}


@pytest.mark.parametrize("case", BAD_CHATS)
async def test_a_bad_chat_is_refused(bridge: Bridge, case: str) -> None:
    body, code = BAD_CHATS[case]

    refused = await post(bridge, "/v1/chat/completions", body, "application/json")

    assert refused == (404 if code == "model_not_found" else 400, code)


async def test_a_chat_over_the_limit_is_413(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, max_json_bytes=10_000)

    assert await post(bridge, "/v1/chat/completions", chat(SPOKEN), "application/json") == (413, "upload_too_large")


@pytest.mark.parametrize("path", EVERY)
async def test_a_byte_a_second_is_too_slow(
    start_bridge: StartBridge,
    asr: FakeAsrWebservice,
    ollama: FakeOllama,
    path: str,
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, upload_stall_timeout=0.1)

    async with Connection.to(bridge.url) as connection:
        await connection.send(head(path, length=1000), b"-")
        reply = await connection.reply()

    assert problem(reply, path) == (408, "upload_stalled")
    assert bridge.service.admission.open == 0


# Clients that leave.


@pytest.mark.parametrize("path", EVERY)
async def test_a_client_that_disconnects_midway_leaves_nothing_behind(bridge: Bridge, path: str) -> None:
    async with Connection.to(bridge.url) as connection:
        await connection.send(head(path, length=1000), FILE[:200])
        await inside(bridge, 1)
        connection.leave()
        await inside(bridge, 0)


async def test_a_client_that_disconnects_during_transcription_releases_the_pod(
    bridge: Bridge, asr: FakeAsrWebservice
) -> None:
    gate = asr.hold(Point.AFTER_UPLOAD)
    body = multipart(FILE)

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(body)), body)
        await gate.reached()
        connection.leave()
        await asr.until(lambda: asr.work[0].disconnected)
        await inside(bridge, 0)

    assert [endpoint.outstanding for endpoint in bridge.service.whisper.endpoints] == [0]
    gate.release()
    assert (await bridge.json())[0] == 200


async def inside(bridge: Bridge, count: int) -> None:
    await bridge.until(lambda: bridge.service.admission.open == count)


async def test_a_half_closed_connection_is_a_disconnected_client(bridge: Bridge) -> None:
    """As in aiohttp: clients must keep their side open until the response is complete."""
    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=1000), FILE[:200])
        await inside(bridge, 1)
        connection.half_close()
        await inside(bridge, 0)


async def test_a_connection_is_reused_after_an_error(bridge: Bridge) -> None:
    async with aiohttp.ClientSession(bridge.url, connector=aiohttp.TCPConnector(limit=1)) as client:
        async with client.post("/process", data=form(WAV, language="klingon")) as refused:
            assert refused.status == 400
        async with client.post("/process", data=form(WAV)) as answered:
            assert answered.status == 200
