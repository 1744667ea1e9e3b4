"""whisper-asr-webservice: FakeAsrWebservice against the /asr of our own speechwhisper, in what the two share.

The true whisper-asr-webservice cannot be installed here: it comes as a container image, and no registry of images is in
reach. So the shared contract (field, query, formats, media type) is held by a second implementation of it.

What only the true one does is written from its source and from measurements of it, and specified at the end for the
fake alone: refusals in FastAPI's shape, the bare 500 that closes the connection, one job at a time with everything
frozen, idle connections closed after 5 s, whisperx without `text`, no health routes.
"""

import asyncio
import json
import re
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientResponse, ClientSession

from contract.recordings import form, text_part
from contract.shapes import NUMBER, Exactly, Maybe, assert_shape
from fakes.gates import Point
from fakes.whisper import FakeAsrWebservice

TIME = r"\d\d:\d\d\.\d{3}"
WORD = {"start": NUMBER, "end": NUMBER, "word": str, "probability": NUMBER}
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


async def transcribe(http: ClientSession, url: str, content: bytes | None = None, **query: str) -> ClientResponse:
    return await http.post(f"{url}/asr", params=query, data=form("audio_file", content))


async def test_default_output_is_plain_text(asr: str, http: ClientSession) -> None:
    answer = await transcribe(http, asr)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (await answer.text()).endswith("\n")


async def test_json_comes_as_plain_text_too(asr: str, http: ClientSession) -> None:
    answer = await transcribe(http, asr, output="json")

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert_shape(json.loads(await answer.text()), {"text": str, "segments": [SEGMENT], "language": str, ...: ...})


async def test_words_come_when_asked_for(asr: str, http: ClientSession) -> None:
    answer = await transcribe(http, asr, output="json", word_timestamps="true")

    for segment in json.loads(await answer.text())["segments"]:
        assert_shape(segment["words"], [WORD])


async def test_language_of_the_query_is_the_answers(asr: str, http: ClientSession) -> None:
    answer = await transcribe(http, asr, output="json", language="en", task="transcribe", vad_filter="true")

    assert json.loads(await answer.text())["language"] == "en"


@pytest.mark.parametrize(
    ("output", "pattern"),
    [
        ("vtt", rf"WEBVTT\n\n({TIME} --> {TIME}\n[^\n]+\n\n)+"),
        ("srt", r"(\d+\n\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n[^\n]+\n\n)+"),
        ("tsv", r"start\tend\ttext\n(\d+\t\d+\t[^\n]+\n)+"),
    ],
)
async def test_subtitle_formats(asr: str, http: ClientSession, output: str, pattern: str) -> None:
    answer = await transcribe(http, asr, output=output)

    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert re.fullmatch(pattern, await answer.text())


async def test_detected_language(asr: str, http: ClientSession) -> None:
    answer = await (await http.post(f"{asr}/detect-language", data=form("audio_file"))).json()

    code = {"detected_language": Exactly("english"), "language_code": Exactly("en"), "confidence": Maybe(NUMBER)}
    assert_shape(answer, code)


async def test_missing_file_is_the_clients_fault(asr: str, http: ClientSession) -> None:
    assert (await http.post(f"{asr}/asr", data=form("other"))).status in {400, 422}


async def test_other_methods_are_refused(asr: str, http: ClientSession) -> None:
    assert (await http.get(f"{asr}/asr")).status == 405


# What only the true one does


@pytest.mark.unit
async def test_part_without_a_filename_is_no_file(http: ClientSession) -> None:
    async with FakeAsrWebservice() as fake:
        answer = await http.post(f"{fake.url}/asr", data=text_part("audio_file"))

        assert answer.status == 422
        complaint = {"type": str, "loc": Exactly(["body", "audio_file"]), "msg": str, "input": str, "ctx": dict}
        assert_shape(await answer.json(), {"detail": [complaint]})


@pytest.mark.unit
async def test_undecodable_audio_is_a_bare_500_and_the_end_of_the_connection(http: ClientSession) -> None:
    async with FakeAsrWebservice() as fake:
        answer = await transcribe(http, fake.url, b"no audio at all")

        assert answer.status == 500
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert "Connection" not in answer.headers
        assert await answer.text() == "Internal Server Error"
        with pytest.raises(aiohttp.ClientError):  # nothing was said about closing, so the connection was kept
            await transcribe(http, fake.url)


@pytest.mark.unit
async def test_everything_waits_for_a_running_job_even_one_nobody_wants_any_more(http: ClientSession) -> None:
    async with FakeAsrWebservice() as fake:
        job = fake.hold(Point.BEFORE_ANSWER)
        first = asyncio.create_task(transcribe(http, fake.url))
        await job.reached()
        probe = asyncio.create_task(http.get(f"{fake.url}/docs"))
        await fake.until(lambda: len(fake.requests) == 2)
        first.cancel()
        await fake.until(lambda: fake.requests[0].disconnected)
        assert fake.requests[1].status is None

        job.release()

        assert (await probe).status == 404


@pytest.mark.unit
async def test_idle_connection_is_closed_while_the_client_keeps_it() -> None:
    async with FakeAsrWebservice(idle_timeout=0.01) as fake:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(fake.url.rsplit(":", 1)[1]))
        writer.write(b"GET /docs HTTP/1.1\r\nHost: fake\r\n\r\n")
        async with asyncio.timeout(5):
            said = await reader.read()  # up to the end that the server makes
        writer.close()

    assert b"Connection: close" not in said
    assert FakeAsrWebservice.idle_timeout == 5.0


@pytest.mark.unit
async def test_whisperx_has_no_text(http: ClientSession) -> None:
    async with FakeAsrWebservice(engine="whisperx") as fake:
        answer: Any = json.loads(await (await transcribe(http, fake.url, output="json")).text())

    aligned = {"word": str, "start": NUMBER, "end": NUMBER, "score": NUMBER}
    segment = {"start": NUMBER, "end": NUMBER, "text": str, "words": [aligned]}
    assert_shape(answer, {"segments": [segment], "word_segments": [aligned], "language": str})


@pytest.mark.unit
@pytest.mark.parametrize("path", ["/healthz", "/health", "/readyz", "/metrics", "/v1/models"])
async def test_there_are_no_health_routes(http: ClientSession, path: str) -> None:
    async with FakeAsrWebservice() as fake:
        answer = await http.get(f"{fake.url}{path}")

        assert answer.status == 404
        assert await answer.json() == {"detail": "Not Found"}
