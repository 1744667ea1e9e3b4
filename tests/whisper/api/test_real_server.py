"""A real server with tiny.en in a process of its own: formats, streaming, bad input, probes during a job."""

from __future__ import annotations

import asyncio
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import FormData

from spoken import words
from whisper import media
from whisper.conftest import RunningServer, launch, session
from whisper.scripted import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.component

Recordings = dict[str, tuple[Path, str]]


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with session(server.url) as opened:
        yield opened


@pytest.fixture(scope="module")
def single(model_folder: str) -> Iterator[RunningServer]:
    """A server with one slot."""
    running = launch(model_folder, WHISPER_CONCURRENCY="1")
    yield running
    running.process.terminate()
    assert running.process.wait(timeout=DEADLINE) == 0


@pytest.fixture
async def one_slot(single: RunningServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with session(single.url) as opened:
        yield opened


def upload(content: bytes, field: str = "audio_file", name: str = "a.wav", **fields: str) -> FormData:
    form = FormData()
    form.add_field(field, io.BytesIO(content), filename=name)
    for key, value in fields.items():
        form.add_field(key, value)
    return form


def speech(recordings: Recordings) -> bytes:
    return recordings["austen-ill-disposed"][0].read_bytes()


def utterances(recordings: Recordings, number: int) -> bytes:
    """The same sentence several times, with pauses in between so long that each is decoded on its own.

    Twice in one block, it would fail Whisper's check for repetition, and be decoded at each temperature.
    """
    return media.encode(media.join([media.decode_wav(speech(recordings))] * number, pause=12))


@pytest.mark.parametrize(
    ("output", "beginning"),
    [
        ("txt", r""),
        ("srt", r"1\n00:00:00,\d{3} --> 00:00:0\d,\d{3}\n"),
        ("vtt", r"WEBVTT\n\n00:00\.\d{3} --> 00:0\d\.\d{3}\n"),
        ("tsv", r"start\tend\ttext\n\d+\t\d+\t"),
        ("json", r'\{"text": "'),
    ],
)
async def test_asr_in_every_format(
    http: aiohttp.ClientSession, recordings: Recordings, output: str, beginning: str
) -> None:
    async with http.post("/asr", params={"output": output}, data=upload(speech(recordings))) as response:
        assert response.status == 200
        found = re.match(beginning, text := await response.text())

    assert found, text
    assert words(text[found.end() :])[:3] == ["unless", "to", "be"]


@pytest.mark.parametrize(
    ("container", "codec"), [("mp3", "mp3"), ("ogg", "libopus"), ("mp4", "aac"), ("webm", "libopus")]
)
async def test_speech_survives_other_containers(
    http: aiohttp.ClientSession, recordings: Recordings, container: str, codec: str
) -> None:
    samples = media.decode_wav(speech(recordings))

    async with http.post("/asr", data=upload(media.encode(samples, container, codec))) as response:
        assert "selfish" in words(await response.text())


async def test_raw_samples_as_bazarr_sends_them(http: aiohttp.ClientSession, recordings: Recordings) -> None:
    raw = media.decode_wav(speech(recordings)).tobytes()
    query = {"task": "transcribe", "language": "en", "output": "srt", "encode": "false"}

    async with http.post("/asr", params=query, data=upload(raw, name="audio_file")) as response:
        assert "selfish" in words(await response.text())
    async with http.post("/detect-language", params={"encode": "false"}, data=upload(raw)) as response:
        assert (await response.json())["language_code"] == "en"


async def test_a_stream_delivers_segments_before_the_end(http: aiohttp.ClientSession, recordings: Recordings) -> None:
    # With long pauses, so that each stretch is decoded on its own: the same sentence twice in a window of 30 s fails
    # Whisper's check for repetition, and is then sampled at random.
    voices = [media.decode_wav(file.read_bytes()) for file, _ in recordings.values()]
    samples = media.join([*voices, voices[0]], pause=12)
    form = upload(media.encode(samples), field="file", stream="true", **{"timestamp_granularities[]": "word"})

    types: list[str] = []
    async with http.post("/v1/audio/transcriptions", data=form) as response:
        async for line in response.content:
            if line.startswith(b"data: "):
                event = json.loads(line.removeprefix(b"data: "))
                types.append(event["type"])
                if len(types) == 1:
                    async with http.get("/readyz") as ready:
                        assert (await ready.json())["slots_busy"] == 1

    assert types.count("transcript.text.delta") >= 2
    assert types[-1] == "transcript.text.done"
    assert words(event["text"]).count("selfish") == 3
    assert event["text"].startswith(event["words"][0]["word"].strip())
    assert event["duration"] == pytest.approx(len(samples) / media.RATE, abs=0.1)


async def test_probes_and_short_recordings_are_answered_while_a_long_one_is_decoded(
    http: aiohttp.ClientSession, recordings: Recordings
) -> None:
    job = asyncio.create_task(http.post("/asr", data=upload(utterances(recordings, 10))))
    await busy(http, 1)

    for probe in ("/livez", "/readyz", "/metrics"):
        async with http.get(probe) as response:
            assert response.status == 200
    async with http.post("/asr", data=upload(speech(recordings))) as response:
        assert response.status == 200
        assert not job.done()

    assert (await job).status == 200


async def test_without_a_free_slot_others_wait(one_slot: aiohttp.ClientSession, recordings: Recordings) -> None:
    job = asyncio.create_task(one_slot.post("/asr", data=upload(utterances(recordings, 3))))
    await busy(one_slot, 1)

    async with one_slot.post("/asr", data=upload(speech(recordings))) as response:
        assert response.status == 200
        assert job.done()

    assert (await job).status == 200


async def test_bazarr_with_two_jobs_at_once_gets_subtitles_for_both(
    http: aiohttp.ClientSession, recordings: Recordings
) -> None:
    raw = media.decode_wav(speech(recordings)).tobytes()
    query = {"task": "transcribe", "language": "en", "output": "srt", "encode": "false"}
    first = asyncio.create_task(http.post("/asr", params=query, data=upload(raw * 2, name="audio_file")))
    await busy(http, 1)

    async with http.post("/detect-language", params={"encode": "false"}, data=upload(raw)) as response:
        assert (await response.json())["language_code"] == "en"
    async with http.post("/asr", params=query, data=upload(raw, name="audio_file")) as response:
        second = await response.text()

    for subtitles in (await (await first).text(), second):
        assert subtitles.startswith("1\n00:00:00,")
        assert "selfish" in words(subtitles)


async def test_the_speed_and_the_backlog_are_those_of_the_recordings(
    one_slot: aiohttp.ClientSession, recordings: Recordings
) -> None:
    http = one_slot
    announced = {"Speech-Audio-Seconds": "30"}
    job = asyncio.create_task(http.post("/asr", data=upload(utterances(recordings, 2)), headers=announced))
    await busy(http, 1)
    waiting = asyncio.create_task(
        http.post("/asr", data=upload(speech(recordings)), headers={"Speech-Audio-Seconds": "6"}, expect100=True)
    )

    async with asyncio.timeout(DEADLINE):
        while True:
            now = await load(http)
            if now["waiting"] and now["audio_seconds_working"]:
                break
            await asyncio.sleep(0.02)
    assert now["audio_seconds_waiting"] == 6
    assert now["audio_seconds_working"] <= 30
    assert [(await one).status for one in (job, waiting)] == [200, 200]
    after = await load(http)
    assert after["audio_seconds_per_second"] > 0
    assert (after["audio_seconds_waiting"], after["audio_seconds_working"]) == (0, 0)


async def load(http: aiohttp.ClientSession) -> dict[str, float]:
    async with http.get("/load") as response:
        found: dict[str, float] = await response.json()
    return found


async def test_a_client_that_leaves_frees_the_slot(http: aiohttp.ClientSession, recordings: Recordings) -> None:
    samples = media.join([media.decode_wav(speech(recordings))] * 20, pause=0.5)
    job = asyncio.create_task(http.post("/asr", data=upload(media.encode(samples))))
    await busy(http, 1)

    job.cancel()

    await busy(http, 0)


async def not_ready(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            async with http.get("/readyz") as response:
                if response.status == 503:
                    return
            await asyncio.sleep(0.02)


async def busy(http: aiohttp.ClientSession, slots: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            async with http.get("/readyz") as response:
                if (await response.json())["slots_busy"] == slots:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("content", "duration"),
    [
        (media.encode(media.silence(5)), 5.0),
        (media.encode(media.noise(20)), 20.0),
        (media.encode(media.noise(20, 0.001)), 20.0),
        (media.encode(media.tone(10)), 10.0),
        (media.encode(media.silence(3600), "flac", "flac"), 3600.0),
    ],
)
@pytest.mark.parametrize("vad_filter", ["true", "false"])
async def test_silence_and_noise_are_answers_without_words(
    http: aiohttp.ClientSession, content: bytes, duration: float, vad_filter: str
) -> None:
    query = {"output": "json", "vad_filter": vad_filter}

    async with http.post("/asr", params=query, data=upload(content)) as response:
        body: dict[str, Any] = json.loads(await response.text())

    assert response.status == 200
    assert body["text"] == ""
    assert body["segments"] == []
    assert body["duration"] == pytest.approx(duration, abs=0.1)
    assert (body["speech_seconds"], body["transcribed_seconds"]) == (0, 0)


async def test_speech_after_a_long_silence_keeps_its_time(http: aiohttp.ClientSession, recordings: Recordings) -> None:
    voice = media.decode_wav(speech(recordings))
    samples = media.join([media.silence(100), voice, media.silence(60), voice, media.silence(100)], pause=0)

    async with http.post(
        "/asr", params={"output": "json"}, data=upload(media.encode(samples, "flac", "flac"))
    ) as response:
        body = json.loads(await response.text())

    assert words(body["text"]).count("selfish") == 2
    first, second = (item for item in body["segments"] if "selfish" in words(item["text"]))
    assert first["start"] == pytest.approx(100, abs=1.5)
    assert second["start"] == pytest.approx(160 + len(voice) / media.RATE, abs=1.5)
    assert body["transcribed_seconds"] < 30


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "empty_file"),
        (media.text(), 400, "not_audio"),
        (media.encode(media.silence(0)), 400, "empty_file"),
        (media.video_without_sound(), 400, "no_audio_stream"),
        (media.encode(media.silence(3 * 3600), "flac", "flac"), 413, "audio_too_long"),
        (media.encode(media.noise(400)), 413, "upload_too_large"),
    ],
)
async def test_bad_files_are_refused(http: aiohttp.ClientSession, content: bytes, status: int, code: str) -> None:
    async with http.post("/asr", data=upload(content)) as response:
        assert response.status == status
        assert (await response.json(content_type="application/problem+json"))["code"] == code


async def test_a_truncated_mp3_is_transcribed_as_far_as_it_goes(
    http: aiohttp.ClientSession, recordings: Recordings
) -> None:
    data = media.encode(media.decode_wav(speech(recordings)), "mp3", "mp3")

    async with http.post("/asr", data=upload(data[: len(data) * 2 // 3])) as response:
        assert response.status == 200
        assert "selfish" in words(await response.text())


async def test_the_log_has_no_stack_trace_and_no_transcript(server: RunningServer, http: aiohttp.ClientSession) -> None:
    async with http.post("/asr", data=upload(media.text())) as response:
        assert response.status == 400

    log = "".join(server.log)
    assert "Traceback" not in log
    assert "selfish" not in log.lower()


async def test_sigterm_lets_the_running_job_finish(model_folder: str, recordings: Recordings) -> None:
    running = launch(model_folder)
    samples = media.join([media.decode_wav(speech(recordings))] * 4, pause=0.5)
    async with session(running.url) as http:
        job = asyncio.create_task(http.post("/asr", data=upload(media.encode(samples))))
        await busy(http, 1)

        running.process.terminate()
        await not_ready(http)

        response = await job
        assert response.status == 200
        assert "selfish" in words(await response.text())
    assert running.process.wait(timeout=DEADLINE) == 0


async def test_sigterm_cuts_a_job_off_at_the_drain_timeout(model_folder: str, recordings: Recordings) -> None:
    running = launch(model_folder, WHISPER_DRAIN_TIMEOUT="0.1")
    samples = media.join([media.decode_wav(speech(recordings))] * 30, pause=0.5)
    async with session(running.url) as http:
        job = asyncio.create_task(http.post("/asr", data=upload(media.encode(samples))))
        await busy(http, 1)

        running.process.terminate()
        with pytest.raises(aiohttp.ClientError):
            await job

    assert running.process.wait(timeout=DEADLINE) == 1
