"""`Expect: 100-continue`: a request is rejected before its body is sent, where its head suffices."""

import asyncio

import pytest

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import Connection, head, multipart, part
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

BODY = multipart(part("file", WAV, filename="a.wav"))
EXPECT = "Expect: 100-continue\r\n"


async def test_a_body_that_is_welcome_is_asked_for(bridge: Bridge) -> None:
    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(BODY), headers=EXPECT))
        asked = await connection.reply()
        await connection.send(BODY)
        answered = await connection.reply()

    assert (asked.status, answered.status) == (100, 200)


@pytest.mark.parametrize(
    ("path", "length", "headers", "expected"),
    [
        ("/process", 10**12, EXPECT, (413, "upload_too_large")),
        ("/v1/audio/transcriptions", 10**12, EXPECT, (413, "upload_too_large")),
        ("/process", 100, "Expect: 200-ok\r\n", (400, "bad_request")),
    ],
)
async def test_a_body_that_is_not_welcome_is_refused_before_it_is_sent(
    bridge: Bridge, path: str, length: int, headers: str, expected: tuple[int, str]
) -> None:
    async with Connection.to(bridge.url) as connection:
        await connection.send(head(path, length=length, headers=headers))
        reply = await connection.reply()

    document = reply.json()
    assert (reply.status, document.get("error", document)["code"]) == expected
    assert reply.headers["connection"] == "close"


async def test_a_form_that_is_none_is_refused_before_it_is_sent(bridge: Bridge) -> None:
    request = (
        b"POST /process HTTP/1.1\r\nHost: bridge\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    async with Connection.to(bridge.url) as connection:
        await connection.send(request)
        reply = await connection.reply()

    assert (reply.status, reply.json()["code"]) == (415, "unsupported_media_type")


async def test_an_overloaded_bridge_refuses_before_the_body_is_sent(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1, max_queued_requests=0
    )
    gate = asr.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(bridge.json())
    await gate.reached()

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(BODY), headers=EXPECT))
        reply = await connection.reply()
    gate.release()
    await first

    assert (reply.status, reply.json()["code"]) == (503, "overloaded")
    assert int(reply.headers["retry-after"]) >= 1


async def test_aiohttps_own_client_waits_to_be_asked(bridge: Bridge) -> None:
    async with bridge.client.post("/process", data=form(WAV), expect100=True) as response:
        assert response.status == 200


async def test_a_rejection_is_measured_and_logged_like_others(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=10**12, headers=f"{EXPECT}X-Request-ID: call-42\r\n"))
        await connection.reply()

    async with bridge.client.get("/metrics") as response:
        metrics = await response.text()
    assert 'speechbridge_requests_total{outcome="rejected",route="/process"} 1.0' in metrics
    (line,) = [record for record in caplog.records if record.getMessage() == "request"]
    assert vars(line)["fields"]["code"] == "upload_too_large"
