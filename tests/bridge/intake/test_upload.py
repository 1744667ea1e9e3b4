"""How the audio of an upload reaches a pod: streamed, spooled, or rejected."""

import asyncio
import hashlib
import tracemalloc

import pytest

from bridge.running import WAV, Bridge, StartBridge
from bridge.wire import BOUNDARY, CLOSING, Connection, Reply, exchange, head, multipart, part
from fakes.faults import DieMidUpload, busy
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge.intake import upload
from speechbridge.intake.upload import memory_for

pytestmark = pytest.mark.unit

KIB, MIB = 2**10, 2**20
OPENING = part("file", WAV[:44], filename="a.wav")[:-2]
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


class Upload:
    """An upload that a test sends piece by piece; the audio is zeros after the header of a WAV."""

    def __init__(self, connection: Connection, path: str, size: int, *, after: bytes = b"") -> None:
        self._connection = connection
        self._closing = b"\r\n" + after + CLOSING
        self._head = head(path, length=len(OPENING) + size + len(self._closing))
        self._digest = hashlib.sha256(WAV[:44])
        self._begun = False
        self.left = size

    async def send(self, size: int | None = None) -> None:
        """Send that many more bytes of audio (all that are left)."""
        data = bytes(self.left if size is None else size)
        self._digest.update(data)
        self.left -= len(data)
        pieces = [data] if self._begun else [self._head, OPENING, data]
        self._begun = True
        await self._connection.send(*pieces)

    async def end(self) -> None:
        await self.send()
        await self._connection.send(self._closing)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@pytest.fixture(params=["asr", "openai"])
async def whisper(
    request: pytest.FixtureRequest, asr: FakeAsrWebservice, speech_whisper: FakeSpeechWhisper
) -> FakeAsrWebservice | FakeSpeechWhisper:
    """Each kind of Whisper in turn."""
    return asr if request.param == "asr" else speech_whisper


@pytest.fixture
async def start(
    start_bridge: StartBridge, whisper: FakeAsrWebservice | FakeSpeechWhisper, ollama: FakeOllama
) -> StartBridge:
    """Start a bridge over that Whisper; no upload counts as slow, however slow this machine is."""
    transcriber = "asr-webservice" if isinstance(whisper, FakeAsrWebservice) else "openai"

    async def start(**settings: object) -> Bridge:
        fast = {"stream_min_rate": 1, "slot_idle_timeout": 5.0, "retry_buffer_bytes": 8 * MIB}
        upstreams = {"whisper_url": whisper.url, "transcriber": transcriber, "ollama_url": ollama.url}
        return await start_bridge(**{**upstreams, **fast, **settings})

    return start


Whisper = FakeAsrWebservice | FakeSpeechWhisper


def received(whisper: Whisper) -> int:
    """Bytes of audio that the last request has brought so far."""
    audio = whisper.work[-1].audio if whisper.work else None
    return audio.size if audio else 0


def sha256(whisper: Whisper, index: int = -1) -> str:
    audio = whisper.work[index].audio
    assert audio is not None
    assert audio.complete
    return audio.sha256


async def test_a_large_fast_upload_reaches_the_pod_before_it_is_complete(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start()

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 3 * MIB)
        await sending.send(1 * MIB)
        await whisper.until(lambda: received(whisper) > 512 * KIB)
        assert sending.left == 2 * MIB
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert sha256(whisper) == sending.sha256
    assert whisper.work[0].headers["Transfer-Encoding"] == "chunked"


async def test_a_small_upload_is_complete_before_it_occupies_a_pod(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(stream_start_bytes=256 * KIB)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 200 * KIB)
        await sending.send(150 * KIB)
        await bridge.until(lambda: bridge.service.admission.arriving == 1)
        status, _ = await bridge.json()  # another one gets the pod meanwhile
        assert status == 200
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert sha256(whisper) == sending.sha256
    assert int(whisper.work[1].headers["Content-Length"]) > 200 * KIB


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every upload counts as slow (what counts as slow is specified in test_upload_rate.py)."""
    monkeypatch.setattr(upload.Upload, "_is_fast", lambda _: False)


@pytest.mark.usefixtures("slow")
async def test_a_slow_upload_occupies_no_pod_until_it_is_complete(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(retry_buffer_bytes=64 * KIB)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB)
        await sending.send(1 * MIB)
        await bridge.until(lambda: bridge.service.budgets.disk.used >= 512 * KIB)
        status, _ = await bridge.json()
        assert status == 200
        assert len(whisper.work) == 1
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert sha256(whisper) == sending.sha256
    assert bridge.service.budgets.disk.used == 0


async def test_an_upload_that_slows_down_releases_its_pod(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(slot_idle_timeout=0.05)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB)
        await sending.send(1 * MIB)
        await whisper.until(lambda: bool(whisper.work) and whisper.work[0].disconnected)
        status, _ = await bridge.json()
        assert status == 200
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert len(whisper.work) == 3
    assert sha256(whisper) == sending.sha256
    assert int(whisper.work[2].headers["Content-Length"]) > 2 * MIB


async def test_an_upload_that_slows_down_at_the_retry_buffer_moves_to_disk(
    start: StartBridge, whisper: Whisper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rate is checked when the retry buffer is full: after that, bytes are dropped once sent."""
    bridge = await start(retry_buffer_bytes=512 * KIB, stream_start_bytes=64 * KIB)
    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB)
        await sending.send(128 * KIB)
        await whisper.until(lambda: bool(whisper.work) and whisper.work[0].audio is not None)
        monkeypatch.setattr(upload.Upload, "_is_fast", lambda _: False)
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert whisper.work[0].disconnected
    assert sha256(whisper) == sending.sha256
    assert bridge.service.budgets.disk.used == 0


@pytest.mark.usefixtures("slow")
async def test_slow_uploads_that_do_not_fit_on_the_disk_are_refused(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(retry_buffer_bytes=0, max_spool_bytes=1 * MIB)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 8 * MIB)
        await sending.send(3 * MIB)
        reply = await connection.reply()

    assert (reply.status, reply.json()["code"]) == (503, "overloaded")
    assert reply.json()["detail"].startswith("The disk space for uploads is exhausted")
    assert int(reply.headers["retry-after"]) > 0
    assert bridge.service.budgets.disk.used == 0
    assert whisper.work == []


async def test_a_pod_that_fails_during_a_buffered_upload_is_replaced(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start()
    whisper.script(DieMidUpload(after=100 * KIB))

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 3 * MIB)
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert sha256(whisper) == sending.sha256


async def test_a_pod_that_fails_after_the_retry_buffer_is_replaced(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(retry_buffer_bytes=256 * KIB, stream_start_bytes=64 * KIB)
    whisper.script(DieMidUpload(after=2 * MIB))

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 16 * MIB)
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert len(whisper.work) == 2
    assert sha256(whisper) == sending.sha256
    assert bridge.service.budgets.disk.used == 0


async def test_no_copy_is_kept_while_the_language_model_answers(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=speech_whisper.url, ollama_url=ollama.url, transcriber="openai")
    budgets, gate = bridge.service.budgets, ollama.hold(Point.BEFORE_ANSWER)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 4 * MIB)
        await sending.send(2 * MIB)
        await speech_whisper.until(lambda: bool(speech_whisper.work))
        await bridge.until(lambda: budgets.disk.used > 0)
        await sending.end()
        await gate.reached()

        used = budgets.memory.used, budgets.disk.used
        gate.release()
        reply = await connection.reply()

    assert reply.status == 200
    assert used == (memory_for(4 * MIB, bridge.service.upload_rules.limits), 0), "what it holds besides its copy"


async def test_without_room_on_disk_a_pod_that_fails_late_fails_the_request(
    start: StartBridge, whisper: Whisper
) -> None:
    bridge = await start(retry_buffer_bytes=256 * KIB, stream_start_bytes=64 * KIB, max_spool_bytes=0)
    whisper.script(DieMidUpload(after=2 * MIB))

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 16 * MIB)
        await sending.send()
        reply = await connection.reply()

    assert (reply.status, reply.json()["code"]) == (502, "transcriber_failed")
    assert len(whisper.work) == 1


async def test_a_pod_that_is_busy_before_the_upload_ends_is_retried(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start()
    whisper.script(busy(retry_after=None))

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 3 * MIB)
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert len(whisper.work) == 2
    assert sha256(whisper) == sending.sha256


async def test_a_busy_pod_costs_no_audio_however_little_is_kept(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(retry_buffer_bytes=64 * KIB, stream_start_bytes=64 * KIB)
    whisper.script(busy())

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 8 * MIB)
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert sha256(whisper) == sending.sha256


LATE_LANGUAGE = part("language", "en")


async def test_a_late_language_restarts_asr_and_is_sent_to_openai(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start()

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB, after=LATE_LANGUAGE)
        await sending.send(1 * MIB)
        await whisper.until(lambda: bool(whisper.work))
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    last = whisper.work[-1]
    assert (last.query.get("language") or last.value("language")) == "en"
    assert sha256(whisper) == sending.sha256
    assert len(whisper.work) == (2 if isinstance(whisper, FakeAsrWebservice) else 1)


async def test_a_late_language_after_an_unbuffered_file(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(retry_buffer_bytes=256 * KIB, stream_start_bytes=64 * KIB, max_spool_bytes=0)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB, after=LATE_LANGUAGE)
        await sending.send(1 * MIB)
        await whisper.until(lambda: bool(whisper.work))
        await sending.end()
        reply = await connection.reply()

    if isinstance(whisper, FakeAsrWebservice):
        assert (reply.status, reply.json()["code"]) == (400, "field_after_file")
    else:
        assert (reply.status, whisper.work[0].value("language")) == (200, "en")


LATE_TRACK = part("audio_track", "1")


async def send_late(bridge: Bridge, whisper: Whisper, path: str, field: bytes) -> tuple[Upload, Reply]:
    """Send a file of 2 MiB of which a pod has received a part when the field after it arrives."""
    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, path, 2 * MIB, after=field)
        await sending.send(1 * MIB)
        await whisper.until(lambda: bool(whisper.work))
        await sending.end()
        return sending, await connection.reply()


@pytest.mark.parametrize("path", ["/process", "/v1/audio/transcriptions"])
async def test_a_late_audio_track_restarts_at_the_pod(start: StartBridge, whisper: Whisper, path: str) -> None:
    bridge = await start()
    if isinstance(whisper, FakeSpeechWhisper):
        whisper.audio_tracks = 2

    sending, reply = await send_late(bridge, whisper, path, LATE_TRACK)

    assert reply.status == 200
    first, *_, last = whisper.work  # between them, the pod may be busy with what it is to forget
    assert (first.query.get("audio_track") or first.value("audio_track")) is None
    assert (last.query.get("audio_track") or last.value("audio_track")) == "1"
    assert sha256(whisper) == sending.sha256


@pytest.mark.parametrize("path", ["/process", "/v1/audio/transcriptions"])
async def test_a_late_audio_track_after_an_unbuffered_file_is_rejected(
    start: StartBridge, whisper: Whisper, path: str
) -> None:
    bridge = await start(retry_buffer_bytes=256 * KIB, stream_start_bytes=64 * KIB, max_spool_bytes=0)

    _, reply = await send_late(bridge, whisper, path, LATE_TRACK)

    assert reply.status == 400
    assert b"field_after_file" in reply.body


@pytest.mark.parametrize(("path", "last"), [("/process", "response.done"), ("/v1/audio/transcriptions", "text.done")])
async def test_a_late_stream_counts(start: StartBridge, whisper: Whisper, path: str, last: str) -> None:
    """As curl sends it with `-F file=@large.wav -F stream=true`."""
    bridge = await start()

    _, reply = await send_late(bridge, whisper, path, part("stream", "true"))

    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert last in reply.body.decode()


async def test_a_late_prompt_and_model_count(start: StartBridge, whisper: Whisper, ollama: FakeOllama) -> None:
    bridge = await start(models="other:1b,smollm2:135m")

    async with Connection.to(bridge.url) as connection:
        after = part("prompt", "Summarise:") + part("model", "smollm2:135m")
        sending = Upload(connection, "/process", 2 * MIB, after=after)
        await sending.send(1 * MIB)
        await whisper.until(lambda: bool(whisper.work))
        await sending.end()
        answer = (await connection.reply()).json()

    assert answer["model"] == "smollm2:135m"
    assert ollama.work[0].json["messages"][0]["content"].endswith("\nSummarise:")


async def test_an_invalid_late_field_keeps_the_transcription_without_generation(
    start: StartBridge, whisper: Whisper, ollama: FakeOllama
) -> None:
    bridge = await start()

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB, after=part("model", "gpt-9"))
        await sending.send(1 * MIB)
        await whisper.until(lambda: bool(whisper.work))
        await sending.end()
        reply = await connection.reply()

    assert (reply.status, reply.json()["error"]["code"]) == (200, "model_not_found")
    assert reply.json()["transcription"] == whisper.transcript.text.strip()
    assert ollama.work == []


async def test_an_upload_that_stalls_is_rejected(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start(slot_idle_timeout=0.02, upload_stall_timeout=0.1)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB)
        await sending.send(1 * MIB)
        reply = await connection.reply()

    assert (reply.status, reply.json()["code"]) == (408, "upload_stalled")
    await whisper.until(lambda: all(received.disconnected for received in whisper.work))
    assert [endpoint.outstanding for endpoint in bridge.service.whisper.endpoints] == [0]


async def test_an_upload_that_trickles_is_rejected(start: StartBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechbridge.intake.body._RATE_GRACE_S", 0.05)
    bridge = await start(upload_min_rate=2**30)

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/process", 2 * MIB)
        trickle = asyncio.create_task(_trickle(sending))
        reply = await connection.reply()
        trickle.cancel()

    assert (reply.status, reply.json()["code"]) == (408, "upload_too_slow")


async def _trickle(sending: Upload) -> None:
    while True:
        await sending.send(1)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 256 * KIB - 44, 256 * KIB, 5 * MIB])
async def test_every_size_arrives_as_it_was_sent(start: StartBridge, whisper: Whisper, size: int) -> None:
    bridge = await start()

    async with Connection.to(bridge.url) as connection:
        sending = Upload(connection, "/v1/audio/transcriptions", size)
        await sending.end()
        reply = await connection.reply()

    assert reply.status == 200
    assert sha256(whisper) == sending.sha256


@pytest.mark.parametrize("seed", range(3))
async def test_audio_that_looks_like_delimiters_arrives_as_it_was_sent(
    start: StartBridge, whisper: Whisper, seed: int
) -> None:
    bridge = await start(stream_start_bytes=1000)
    audio = WAV[:44] + (b"\r\n--a-boundar" + b"\r\n-" * seed + b"\r" * 7) * 20_000

    reply = await exchange(bridge.url, *_chunked(multipart(part("file", audio, filename="a.wav")), 997 + seed))

    assert reply.status == 200
    assert sha256(whisper) == hashlib.sha256(audio).hexdigest()


def _chunked(body: bytes, size: int) -> list[bytes]:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return [head("/process", length=None), *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


async def test_memory_stays_flat(start: StartBridge) -> None:
    """48 MiB are streamed; in memory are only the retry buffer and the buffers of the sockets."""
    bridge = await start(retry_buffer_bytes=1 * MIB)
    chunk = bytes(1 * MIB)
    tracemalloc.start()
    try:
        async with Connection.to(bridge.url) as connection:
            length = len(OPENING) + 48 * MIB + len(CLOSING) + 2
            await connection.send(head("/v1/audio/transcriptions", length=length), OPENING, *[chunk] * 48)
            await connection.send(b"\r\n", CLOSING)
            reply = await connection.reply()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert reply.status == 200
    assert peak < 12 * MIB


async def test_the_size_of_an_upload_is_measured(start: StartBridge, whisper: Whisper) -> None:
    bridge = await start()
    gate = whisper.hold(Point.BEFORE_ANSWER)

    asking = asyncio.create_task(bridge.json())
    await gate.reached()
    gate.release()
    await asking

    assert bridge.value("speechbridge_upload_size_bytes_count") == 1
    assert bridge.value("speechbridge_upload_size_bytes_sum") == len(WAV)
