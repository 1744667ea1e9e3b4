"""What the routes answer, over a scripted decoder."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING

import pytest
from aiohttp import FormData

from speechwhisper import jobs
from speechwhisper.audio.clock import Gap
from speechwhisper.recognition.guards import Doubtful
from speechwhisper.recognition.judging import Doubt
from speechwhisper.service import SERVICE
from whisper import media
from whisper.conftest import Start, eventually
from whisper.scripted import DEADLINE, ScriptedDecoder, segment

if TYPE_CHECKING:
    from aiohttp.test_utils import TestClient

pytestmark = pytest.mark.unit

WAV = media.encode(media.tone(2))
SPOKEN = (segment(" Hello there.", 0.0, 1.0), segment(" Good bye.", 1.0, 2.0))


def form(field: str = "file", **fields: str) -> FormData:
    data = FormData()
    data.add_field(field, WAV, filename="voice.wav")
    for name, value in fields.items():
        data.add_field(name, value)
    return data


async def events(client: TestClient, **fields: str) -> list[dict[str, object]]:
    async with client.post("/v1/audio/transcriptions", data=form(stream="true", **fields)) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        assert response.headers["X-Accel-Buffering"] == "no"
        lines = (await response.text()).split("\n\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line]


async def test_a_transcript_that_cannot_be_counted_is_answered_all_the_same(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context.get("exception")))
    error = ValueError("counters can only be incremented by non-negative amounts")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(jobs, "_count_coverage", fail)
    client = await start(ScriptedDecoder(SPOKEN))

    async with asyncio.timeout(DEADLINE), client.post("/v1/audio/transcriptions", data=form()) as response:
        assert (await response.json())["text"] == "Hello there. Good bye."
    assert failed == [error]
    asyncio.get_running_loop().set_exception_handler(None)


@pytest.mark.parametrize("output", ["", "txt", "json", "vtt", "srt", "tsv"])
async def test_asr_answers_plain_text_in_every_format(start: Start, output: str) -> None:
    client = await start(ScriptedDecoder(SPOKEN))

    async with client.post("/asr", params={"output": output}, data=form("audio_file")) as response:
        body = await response.text()

    assert response.status == 200
    assert response.content_type == "text/plain"
    assert "Hello there." in body
    assert response.headers["Asr-Engine"] == "faster_whisper"


async def test_asr_takes_its_options_from_the_query(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)
    query = {
        "task": "translate",
        "language": "de",
        "initial_prompt": "Names: Ada.",
        "hotwords": "Grace",
        "word_timestamps": "true",
        "vad_filter": "true",
        "output": "json",
    }

    async with client.post("/asr", params=query, data=form("audio_file")) as response:
        body = json.loads(await response.text())

    (options,) = decoder.seen
    assert (options.task, options.language, options.prompt) == ("translate", "de", "Names: Ada.")
    assert options.hotwords == "Grace"
    assert options.word_timestamps
    assert options.vad_filter
    assert [word["word"] for word in body["segments"][0]["words"]] == [" Hello", " there."]


async def test_asr_takes_bare_samples_when_told_not_to_decode(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)
    data = FormData()
    data.add_field("audio_file", media.tone(1.5).tobytes(), filename="audio_file")

    async with client.post("/asr", params={"encode": "false"}, data=data) as response:
        assert response.status == 200

    assert decoder.audio[0].duration == 1.5


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"output": "pdf"}, "bad_field"),
        ({"task": "dance"}, "bad_field"),
        ({"word_timestamps": "perhaps"}, "bad_field"),
        ({"language": "klingon"}, "unknown_language"),
    ],
)
async def test_asr_refuses_options_that_mean_nothing(start: Start, query: dict[str, str], code: str) -> None:
    client = await start()

    async with client.post("/asr", params=query, data=form("audio_file")) as response:
        assert response.status == 400
        assert (await response.json(content_type="application/problem+json"))["code"] == code


async def test_detect_language_names_it(start: Start) -> None:
    client = await start()

    async with client.post("/detect-language", data=form("audio_file")) as response:
        assert await response.json() == {"detected_language": "german", "language_code": "de", "confidence": 0.75}


async def test_status_has_a_version(start: Start) -> None:
    client = await start()

    async with client.get("/status") as response:
        assert "faster-whisper" in (await response.json())["version"]


async def test_json_carries_text_and_usage(start: Start) -> None:
    client = await start(ScriptedDecoder(SPOKEN))

    async with client.post("/v1/audio/transcriptions", data=form()) as response:
        assert await response.json() == {
            "text": "Hello there. Good bye.",
            "task": "transcribe",
            "language": "english",
            "language_code": "en",
            "language_probability": None,
            "duration": 2.0,
            "speech_seconds": 1.0,
            "transcribed_seconds": 2.0,
            "coverage": {
                "audio_seconds": 2.0,
                "speech_seconds": 1.0,
                "transcribed_seconds": 2.0,
                "gaps": [],
                "doubtful": [],
            },
            "warnings": [],
            "usage": {"type": "duration", "seconds": 2},
        }


@pytest.mark.parametrize(
    ("kind", "content_type", "expected"),
    [
        ("text", "text/plain", "Hello there. Good bye.\n"),
        ("srt", "text/plain", "1\n00:00:00,000 --> 00:00:01,000\nHello there.\n\n"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello there.\n\n"),
    ],
)
async def test_subtitles_and_text(start: Start, kind: str, content_type: str, expected: str) -> None:
    client = await start(ScriptedDecoder(SPOKEN))

    async with client.post("/v1/audio/transcriptions", data=form(response_format=kind)) as response:
        assert response.content_type == content_type
        assert (await response.text()).startswith(expected)


async def test_verbose_json_has_segments_and_words_when_asked(start: Start) -> None:
    client = await start(ScriptedDecoder(SPOKEN))
    asked = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}

    async with client.post("/v1/audio/transcriptions", data=form(**asked)) as response:
        body = await response.json()

    assert [item["text"] for item in body["segments"]] == [" Hello there.", " Good bye."]
    assert [word["word"] for word in body["words"]] == ["Hello", "there.", "Good", "bye."]


async def test_fields_may_come_before_the_file(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)
    data = FormData()
    data.add_field("language", "de")
    data.add_field("file", WAV, filename="voice.wav")

    async with client.post("/v1/audio/transcriptions", data=data) as response:
        assert response.status == 200

    assert decoder.seen[-1].language == "de"


@pytest.mark.parametrize("field", ["hotwords", "vocabulary"])
async def test_openai_takes_hotwords(start: Start, field: str) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)

    async with client.post("/v1/audio/transcriptions", data=form(**{field: "Ada, Grace"})) as response:
        assert response.status == 200

    assert decoder.seen[-1].hotwords == "Ada, Grace"


TWO_TRACKS = media.muxed("matroska", [(0.0, media.tone(3))], [(0.0, media.tone(1))])


def two_tracks(field: str, *, before: str | None = None, after: str | None = None) -> FormData:
    data = FormData()
    if before is not None:
        data.add_field("audio_track", before)
    data.add_field(field, TWO_TRACKS, filename="a.mkv")
    if after is not None:
        data.add_field("audio_track", after)
    return data


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/v1/audio/translations"])
async def test_openai_decodes_the_track_in_a_field_before_the_file(start: Start, path: str) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)

    async with client.post(path, data=two_tracks("file", before="1")) as response:
        assert response.status == 200

    assert decoder.audio[0].duration == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("path", ["/asr", "/detect-language"])
async def test_asr_decodes_the_track_in_its_query(start: Start, path: str) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)

    async with client.post(path, params={"audio_track": "1"}, data=two_tracks("audio_file")) as response:
        assert response.status == 200

    assert decoder.audio[0].duration == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("2", None, "the file has 2 audio tracks"),
        (None, "2", "the file has 2 audio tracks"),
        ("first", None, "must be the number"),
    ],
)
async def test_openai_refuses_a_track_that_it_cannot_decode(
    start: Start, before: str | None, after: str | None, message: str
) -> None:
    client = await start(ScriptedDecoder(SPOKEN))

    data = two_tracks("file", before=before, after=after)
    async with client.post("/v1/audio/transcriptions", data=data) as response:
        assert response.status == 400
        error = (await response.json())["error"]

    assert (error["code"], error["param"]) == ("bad_field", "audio_track")
    assert message in error["message"]


async def test_fields_may_follow_the_file(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)
    data = form(model="whisper-1", language="de")

    async with client.post("/v1/audio/transcriptions", data=data) as response:
        assert response.status == 200

    assert [options.language for options in decoder.seen] == ["de"]
    assert decoder.audio[0].duration == pytest.approx(2.0)


@pytest.mark.parametrize("seconds", [2, 60], ids=["kept in memory", "kept in a file"])
async def test_a_field_after_the_file_that_changes_the_options_is_honoured(start: Start, seconds: int) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)
    data = FormData()
    data.add_field("language", "en")
    data.add_field("file", io.BytesIO(media.encode(media.tone(seconds))), filename="voice.wav")
    data.add_field("prompt", "Ada, Grace")

    async with client.post("/v1/audio/transcriptions", data=data) as response:
        assert response.status == 200

    assert (decoder.seen[-1].language, decoder.seen[-1].prompt) == ("en", "Ada, Grace")
    assert decoder.audio[-1].duration == pytest.approx(seconds)


async def test_a_stream_that_has_begun_takes_no_more_options(start: Start) -> None:
    client = await start(ScriptedDecoder(SPOKEN))
    data = FormData()
    data.add_field("stream", "true")
    data.add_field("file", WAV, filename="voice.wav")
    data.add_field("channels", "separate")

    async with client.post("/v1/audio/transcriptions", data=data) as response:
        assert response.status == 200
        *_, last = [line for line in (await response.text()).split("\n\n") if line]
    error = json.loads(last.removeprefix("data: "))["error"]

    assert (error["code"], error["param"]) == ("bad_field", "channels")
    assert "must precede the file" in error["message"]


async def test_asr_refuses_a_track_that_does_not_exist(start: Start) -> None:
    client = await start(ScriptedDecoder(SPOKEN))

    async with client.post("/asr", params={"audio_track": "2"}, data=two_tracks("audio_file")) as response:
        assert response.status == 400
        problem = await response.json(content_type="application/problem+json")

    assert (problem["code"], problem["param"]) == ("bad_field", "audio_track")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "gpt-9"}, 404, "model_not_found"),
        ({"language": "klingon"}, 400, "unknown_language"),
        ({"response_format": "pdf"}, 400, "bad_field"),
        ({"temperature": "hot"}, 400, "bad_field"),
        ({"stream": "perhaps"}, 400, "bad_field"),
        ({"timestamp_granularities[]": "letter"}, 400, "bad_field"),
    ],
)
async def test_openai_refuses_fields_that_mean_nothing(
    start: Start, fields: dict[str, str], status: int, code: str
) -> None:
    client = await start()

    async with client.post("/v1/audio/transcriptions", data=form(**fields)) as response:
        assert response.status == status
        assert (await response.json())["error"]["code"] == code


@pytest.mark.parametrize("name", ["tiny", "whisper-1", "/models/tiny", ""])
async def test_the_model_has_a_name_an_alias_and_a_source(start: Start, name: str) -> None:
    client = await start(ScriptedDecoder(SPOKEN))

    async with client.post("/v1/audio/transcriptions", data=form(model=name)) as response:
        assert response.status == 200


async def test_models_lists_the_one_that_is_loaded(start: Start) -> None:
    client = await start()

    async with client.get("/v1/models") as response:
        assert [model["id"] for model in (await response.json())["data"]] == ["tiny"]
    async with client.get("/v1/models/tiny") as response:
        assert (await response.json())["id"] == "tiny"
    async with client.get("/v1/models/huge") as response:
        assert response.status == 404


async def test_translations_ask_for_a_translation(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN)
    client = await start(decoder)

    async with client.post("/v1/audio/translations", data=form()) as response:
        assert (await response.json())["task"] == "translate"

    assert decoder.seen[-1].task == "translate"


async def test_a_stream_has_a_delta_per_segment_and_the_whole_at_the_end(start: Start) -> None:
    client = await start(ScriptedDecoder(SPOKEN))

    *deltas, done = await events(client)

    assert [delta["type"] for delta in deltas] == ["transcript.text.delta"] * 2
    assert "".join(str(delta["delta"]) for delta in deltas) == " Hello there. Good bye."
    assert deltas[1]["segment"]["start"] == 1.0
    assert done["type"] == "transcript.text.done"
    assert done["text"] == "Hello there. Good bye."
    assert {"language", "duration", "speech_seconds", "transcribed_seconds", "segments"} <= set(done)
    assert "words" not in done
    assert "usage" not in done  # OpenAI's type is that of tokens


async def test_a_segment_is_sent_while_the_next_one_is_decoded(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN, hold=True)
    client = await start(decoder)

    async with client.post("/v1/audio/transcriptions", data=form(stream="true")) as response:
        first = await response.content.readline()
        assert b"Hello there." in first
        assert not response.content.is_eof()
        decoder.go_on()
        assert b"transcript.text.done" in await response.content.read()


async def test_a_stream_that_breaks_ends_with_an_error_event(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    client = await start(ScriptedDecoder(SPOKEN, fails=True))

    *_, last = await events(client)

    assert last == {
        "type": "error",
        "error": {"message": "Internal error; the server's log has the details.", "code": "internal"},
    }
    assert "the decoder broke" in caplog.text


async def test_a_bug_is_a_500_without_details(start: Start) -> None:
    client = await start(ScriptedDecoder(SPOKEN, fails=True))

    async with client.post("/asr", data=form("audio_file")) as response:
        assert response.status == 500
        assert "broke" not in await response.text()


async def test_probes_answer_while_a_job_runs(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN, hold=True)
    client = await start(decoder)
    running = asyncio.create_task(client.post("/v1/audio/transcriptions", data=form()))
    await eventually(decoder.started.is_set)

    for probe in ("/livez", "/readyz", "/metrics", "/load"):
        async with client.get(probe) as response:
            assert response.status == 200

    decoder.go_on()
    assert (await running).status == 200


async def test_several_slots_run_at_the_same_time(start: Start) -> None:
    decoder = ScriptedDecoder(SPOKEN, hold=True)
    client = await start(decoder, whisper_concurrency=2, whisper_queue=0)
    running = [asyncio.create_task(client.post("/asr", data=form("audio_file"))) for _ in range(2)]
    await eventually(lambda: len(decoder.seen) == 2)

    async with client.post("/asr", data=form("audio_file")) as response:
        assert response.status == 503

    decoder.go_on()
    assert [(await task).status for task in running] == [200, 200]


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_client_that_leaves_stops_the_decoding_and_frees_the_slot(start: Start, stream: str) -> None:
    decoder = ScriptedDecoder(SPOKEN, hold=True)
    client = await start(decoder)
    request = asyncio.create_task(client.post("/v1/audio/transcriptions", data=form(stream=stream)))
    await eventually(decoder.started.is_set)

    if request.done():
        (await request).close()
    request.cancel()

    await eventually(decoder.stopped.is_set)
    await eventually(lambda: client.server.app[SERVICE].slots.busy == 0)


async def test_a_stopping_server_is_not_ready_and_takes_nothing_new(start: Start) -> None:
    client = await start()
    client.server.app[SERVICE].slots.close()

    async with client.get("/readyz") as response:
        assert (response.status, (await response.json())["status"]) == (503, "stopping")
    async with client.get("/livez") as response:
        assert response.status == 200
    async with client.post("/asr", data=form("audio_file")) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"


async def test_a_server_whose_device_is_broken_is_not_ready(start: Start) -> None:
    decoder = ScriptedDecoder()
    client = await start(decoder)
    async with client.get("/readyz") as response:
        assert (response.status, (await response.json())["status"]) == (200, "ready")

    decoder.broken = True

    async with client.get("/readyz") as response:
        assert (response.status, (await response.json())["status"]) == (503, "broken")


async def test_a_request_id_is_kept_or_made(start: Start) -> None:
    client = await start()

    async with client.get("/livez", headers={"X-Request-ID": "abc-1"}) as response:
        assert response.headers["X-Request-ID"] == "abc-1"
    async with client.get("/livez", headers={"X-Request-ID": "no spaces please"}) as response:
        assert len(response.headers["X-Request-ID"]) == 16


async def test_the_log_tells_what_happened_but_not_what_was_said(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "speechwhisper")
    client = await start(ScriptedDecoder(SPOKEN))

    headers = {"X-Request-ID": "id-7"}
    async with client.post("/v1/audio/transcriptions", data=form(prompt="Secret."), headers=headers) as response:
        assert response.status == 200
    await eventually(lambda: any(record.message == "request" for record in caplog.records))

    (record,) = [record for record in caplog.records if record.message == "request"]
    assert vars(record)["fields"]["outcome"] == "ok"
    everything = json.dumps([vars(record) for record in caplog.records], default=str)
    assert "Hello" not in everything
    assert "Secret" not in everything


async def test_metrics_count_what_happened(start: Start) -> None:
    gaps = (Gap(0.0, 0.25), Gap(1.0, 1.5, damaged=True))
    doubtful = (Doubtful(0.5, 1.25, Doubt.REPETITION),)
    client = await start(ScriptedDecoder(SPOKEN, gaps=gaps, doubtful=doubtful, missing=3.0))
    async with client.post("/asr", data=form("audio_file")) as response:
        assert response.status == 200

    async with client.get("/metrics") as response:
        lines = (await response.text()).splitlines()

    assert 'speechwhisper_requests_total{outcome="ok",route="/asr"} 1.0' in lines
    assert "speechwhisper_audio_seconds_total 2.0" in lines
    assert "speechwhisper_speech_seconds_total 1.0" in lines
    assert "speechwhisper_transcribed_seconds_total 2.0" in lines
    assert 'speechwhisper_doubtful_seconds_total{reason="repetition"} 0.75' in lines
    assert 'speechwhisper_skipped_seconds_total{reason="no_data"} 0.25' in lines
    assert 'speechwhisper_skipped_seconds_total{reason="damaged"} 0.5' in lines
    assert 'speechwhisper_skipped_seconds_total{reason="truncated"} 3.0' in lines
    assert "speechwhisper_batch_blocks_sum 2.0" in lines
    assert "speechwhisper_batch_window_seconds_sum 6.0" in lines
    assert "speechwhisper_batch_wait_seconds_sum 0.003" in lines
    assert "speechwhisper_batch_duration_seconds_sum 0.5" in lines
    assert "speechwhisper_batch_blocks_max 8.0" in lines
    assert "speechwhisper_time_to_first_segment_seconds_count 1.0" in lines
    assert f"speechwhisper_upload_bytes_total {float(len(WAV))}" in lines
    assert 'speechwhisper_model_info{model="tiny"} 1.0' in lines


TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", TEXT),
        ("text/plain;version=latest", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.000", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        ("Application/OpenMetrics-Text ; version=1.0.0", OPEN_METRICS),
        ("application/openmetrics-text;version=latest", OPEN_METRICS),
        ("application/openmetrics-text;version=99.0.0;escaping=allow-utf-8", OPEN_METRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPEN_METRICS),
    ],
)
async def test_whatever_a_scraper_accepts_it_gets_one_of_two_formats(
    start: Start, accept: str, content_type: str
) -> None:
    client = await start()

    async with client.get("/metrics", headers={"Accept": accept}) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, content_type)
        text = await response.text()

    assert text.endswith("# EOF\n") == (content_type == OPEN_METRICS)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/asr", 405), ("POST", "/livez", 405), ("GET", "/x", 404)]
)
async def test_wrong_paths_and_methods_are_problems_too(start: Start, method: str, path: str, status: int) -> None:
    client = await start()

    async with client.request(method, path) as response:
        assert response.status == status
        assert response.content_type == "application/problem+json"
        assert ("Allow" in response.headers) == (status == 405)
