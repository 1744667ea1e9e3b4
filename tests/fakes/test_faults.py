"""What a client sees of each fault, and how a test pauses a fake."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from fakes import faults
from fakes.faults import Fault
from fakes.gates import Point
from fakes.openai_chat import FakeOpenAIChat
from fakes.received import reused
from fakes.speech_whisper import FakeSpeechWhisper

pytestmark = pytest.mark.unit

MEGABYTE = b"RIFF" + bytes(1_000_000)


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAIChat]:
    async with FakeOpenAIChat(tokens=("Grüße", " aus", " 北京")) as fake:
        yield fake


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def ask(http: aiohttp.ClientSession, fake: FakeOpenAIChat) -> tuple[int, str]:
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async with http.post(f"{fake.url}/v1/chat/completions", json=body) as answer:
        return answer.status, await answer.text()


async def upload(http: aiohttp.ClientSession, fake: FakeSpeechWhisper) -> int:
    form = aiohttp.FormData({"model": "tiny.en"})
    form.add_field("file", MEGABYTE, filename="voice.wav")
    async with http.post(f"{fake.url}/v1/audio/transcriptions", data=form) as answer:
        return answer.status


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.HangUp(), aiohttp.ServerDisconnectedError),
        (faults.HangUp(reset=True), aiohttp.ClientOSError),
        (faults.Garbage(), aiohttp.ClientResponseError),
        (faults.CutAnswer(after=0), aiohttp.ClientPayloadError),
        (faults.CutAnswer(after=10), aiohttp.ClientPayloadError),
        (faults.CutAnswer(after=10, reset=False), aiohttp.ClientPayloadError),
    ],
)
async def test_broken_connections(
    http: aiohttp.ClientSession, fake: FakeOpenAIChat, fault: Fault, error: type[Exception]
) -> None:
    fake.script(fault)

    with pytest.raises(error):
        await ask(http, fake)


@pytest.mark.parametrize(
    ("fault", "status", "sign"),
    [
        (faults.status(500, "oh no"), 500, "oh no"),
        (faults.busy(retry_after=7), 503, "busy"),
        (faults.html_page(), 200, "<h1>"),
        (faults.wrong_json(), 200, "hello"),
        (faults.broken_json(), 200, '{"text"'),
        (faults.StreamError(after=1, message="out of memory"), 200, "out of memory"),
    ],
)
async def test_wrong_answers(
    http: aiohttp.ClientSession, fake: FakeOpenAIChat, fault: Fault, status: int, sign: str
) -> None:
    fake.script(fault)

    answer = await ask(http, fake)

    assert answer[0] == status
    assert sign in answer[1]


async def test_stream_that_ends_early_has_no_closing_line(http: aiohttp.ClientSession, fake: FakeOpenAIChat) -> None:
    fake.script(faults.EndsEarly(after=1))

    assert "[DONE]" not in (await ask(http, fake))[1]


@pytest.mark.parametrize("fault", [faults.Fragmented(1), faults.Slow(0.001, 0.001), None])
async def test_right_answer_in_another_rhythm(
    http: aiohttp.ClientSession, fake: FakeOpenAIChat, fault: Fault | None
) -> None:
    fake.script(fault)

    text = (await ask(http, fake))[1]

    assert "北京" in text
    assert text.endswith("data: [DONE]\n\n")


async def test_script_is_used_up_in_order_and_by_work_only(http: aiohttp.ClientSession, fake: FakeOpenAIChat) -> None:
    fake.script(faults.status(500), None, faults.status(502))

    async with http.get(f"{fake.url}/health") as probe:
        assert probe.status == 200
    assert [(await ask(http, fake))[0] for _ in range(4)] == [500, 200, 502, 200]
    assert len(fake.requests) == 5
    assert len(fake.work) == 4


async def test_always_befalls_every_request(http: aiohttp.ClientSession, fake: FakeOpenAIChat) -> None:
    fake.always(lambda received: faults.status(418) if "Accept" in received.headers else None)

    assert [(await ask(http, fake))[0] for _ in range(2)] == [418, 418]


async def test_stale_connection_fails_only_when_reused(http: aiohttp.ClientSession, fake: FakeOpenAIChat) -> None:
    fake.script(faults.HangUp(), only=reused)

    assert (await ask(http, fake))[0] == 200
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await ask(http, fake)
    assert (await ask(http, fake))[0] == 200


async def test_fake_that_went_away_refuses_until_it_comes_back(
    http: aiohttp.ClientSession, fake: FakeOpenAIChat
) -> None:
    await ask(http, fake)
    await fake.go_away()
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(http, fake)
    with pytest.raises(aiohttp.ClientConnectorError):
        await ask(http, fake)

    await fake.come_back()

    assert (await ask(http, fake))[0] == 200


async def test_refusing_address_refuses(http: aiohttp.ClientSession) -> None:
    with faults.refusing_url() as url, pytest.raises(aiohttp.ClientConnectorError):
        await http.get(url)


async def test_gate_between_tokens_lets_one_through_at_a_time(
    http: aiohttp.ClientSession, fake: FakeOpenAIChat
) -> None:
    gate = fake.hold(Point.BETWEEN_TOKENS)
    asking = asyncio.create_task(ask(http, fake))
    await gate.reached()
    gate.step()
    await gate.reached()
    assert not asking.done()

    gate.release()

    assert "[DONE]" in (await asking)[1]


async def test_client_that_leaves_is_noticed(http: aiohttp.ClientSession, fake: FakeOpenAIChat) -> None:
    gate = fake.hold("before first token")
    asking = asyncio.create_task(ask(http, fake))
    await gate.reached()

    asking.cancel()

    await fake.until(lambda: fake.requests[0].disconnected)
    assert gate.waiting == 0


async def test_upload_is_written_down(http: aiohttp.ClientSession) -> None:
    async with FakeSpeechWhisper() as whisper:
        assert await upload(http, whisper) == 200

        received = whisper.requests[0]
        assert received.parts == ["model", "file"]
        assert received.value("model") == "tiny.en"
        assert received.audio is not None
        assert received.audio.filename == "voice.wav"
        assert received.audio.size == len(MEGABYTE)
        assert received.audio.sha256 == hashlib.sha256(MEGABYTE).hexdigest()
        assert received.audio.complete


async def test_death_mid_upload(http: aiohttp.ClientSession) -> None:
    async with FakeSpeechWhisper() as whisper:
        whisper.script(faults.DieMidUpload(after=100_000))

        with pytest.raises(aiohttp.ClientOSError):
            await upload(http, whisper)

        audio = whisper.requests[0].audio
        assert audio is not None
        assert 100_000 <= audio.size < len(MEGABYTE)


async def test_held_upload_is_not_read_on(http: aiohttp.ClientSession) -> None:
    async with FakeSpeechWhisper() as whisper:
        gate = whisper.hold(Point.UPLOAD_STARTED)
        uploading = asyncio.create_task(upload(http, whisper))
        await gate.reached()
        audio = whisper.requests[0].audio
        assert audio is not None
        assert 0 < audio.size < len(MEGABYTE)

        gate.release()

        assert await uploading == 200
