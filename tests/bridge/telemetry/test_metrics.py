"""`/metrics`: names, units, and a bounded number of labels."""

import asyncio
import re
from typing import Any

import pytest
from aiohttp import web
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from bridge.running import WAV, Bridge, StartBridge, form, lead_to
from fakes.faults import StreamError
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.api.openapi import health
from speechbridge.errors import PROBLEMS, Problem
from speechbridge.telemetry.metrics import REQUEST_OUTCOMES, Metrics

pytestmark = pytest.mark.unit

UNITS = ("_seconds", "_bytes", "_total", "_factor", "_depth", "_in_flight", "_pods", "_connections", "_held")


async def samples(bridge: Bridge) -> dict[str, float]:
    """Every sample, by its name and labels as they are written."""
    async with bridge.client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    return {
        sample.name + "".join(f"[{label}={value}]" for label, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_request_is_counted_in_all_its_stages(bridge: Bridge) -> None:
    await bridge.json()

    seen = await samples(bridge)

    expected = {
        "requests_total[outcome=ok][route=/process]": 1,
        "request_duration_seconds_count[route=/process]": 1,
        "stage_duration_seconds_count[model=][outcome=ok][stage=transcribe]": 1,
        "stage_duration_seconds_count[model=smollm2:135m][outcome=ok][stage=generate]": 1,
        "stage_duration_seconds_count[model=][outcome=ok][stage=queue]": 1,
        "stage_duration_seconds_count[model=smollm2:135m][outcome=ok][stage=queue]": 1,
        "time_to_first_token_seconds_count[model=smollm2:135m]": 1,
        "time_per_output_token_seconds_count[model=smollm2:135m]": 1,
        "requests_held[stage=transcribe]": 0,
        "oldest_wait_seconds[stage=generate]": 0,
        "audio_seconds_total": 5.8,
        "tokens_total[kind=completion][model=smollm2:135m]": 8,
        "upload_size_bytes_count": 1,
        "upload_size_bytes_sum": len(WAV),
        "requests_in_flight[stage=queue]": 0,
        "requests_in_flight[stage=transcribe]": 0,
        "requests_in_flight[stage=generate]": 0,
        "queue_depth[queue=admission]": 0,
        "queue_depth[queue=whisper]": 0,
        "audio_waiting_seconds": 0,
        "upstream_pods[upstream=whisper]": 1,
        "upstream_pods[upstream=llm]": 1,
    }
    assert {name: seen.get(f"speechbridge_{name}") for name in expected} == expected
    assert seen["speechbridge_tokens_total[kind=prompt][model=smollm2:135m]"] > 0
    assert 0 < seen["speechbridge_transcription_seconds_total"] < 5.8
    assert 0 < seen["speechbridge_realtime_factor"] < 1


FIRST_SEGMENT = "speechbridge_time_to_first_segment_seconds_count"


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_the_first_segment_of_a_recording_is_timed(streaming_bridge: Bridge, stream: str) -> None:
    async with await streaming_bridge.process(WAV, stream=stream) as response:
        await response.read()

    assert (await samples(streaming_bridge))[FIRST_SEGMENT] == 1


@pytest.mark.parametrize("stream", ["true", "false"])
async def test_an_engine_that_reports_no_segments_has_no_time_of_a_first_one(bridge: Bridge, stream: str) -> None:
    """It would be the time of the whole transcript, which grows with the recording."""
    async with await bridge.process(WAV, stream=stream) as response:
        await response.read()

    assert (await samples(bridge))[FIRST_SEGMENT] == 0


GEN_AI = "[gen_ai_operation_name=chat][gen_ai_provider_name=ollama][gen_ai_request_model=smollm2:135m]"


async def test_requests_to_the_language_model_have_the_metrics_of_opentelemetry(bridge: Bridge) -> None:
    await bridge.json()

    seen = await samples(bridge)

    assert seen[f"gen_ai_server_request_duration_seconds_count[error_type=]{GEN_AI}"] == 1
    assert seen[f"gen_ai_server_time_to_first_token_seconds_count{GEN_AI}"] == 1
    assert seen[f"gen_ai_server_time_per_output_token_seconds_count{GEN_AI}"] == 1


async def test_a_failed_request_to_the_language_model_has_the_kind_of_the_failure(
    bridge: Bridge, ollama: FakeOllama
) -> None:
    ollama.always(StreamError(after=0))

    await bridge.json()

    seen = await samples(bridge)
    assert seen[f"gen_ai_server_request_duration_seconds_count[error_type=died]{GEN_AI}"] >= 1
    assert seen[f"gen_ai_server_time_per_output_token_seconds_count{GEN_AI}"] == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/process", {"data": WAV, "headers": {"Content-Type": "audio/wav"}}),
        ("/v1/chat/completions", {"json": {"messages": [{"role": "user", "content": "Hello"}]}}),
    ],
)
async def test_a_request_to_the_language_model_that_the_deadline_ends_says_so(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, path: str, body: dict[str, Any]
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, request_timeout=0.3)
    ollama.hold(Point.BEFORE_ANSWER)

    async with bridge.client.post(path, **body) as response:
        await response.read()

    seen = await samples(bridge)
    assert seen[f"gen_ai_server_request_duration_seconds_count[error_type=deadline]{GEN_AI}"] == 1


async def test_chat_that_is_forwarded_is_measured_too(bridge: Bridge) -> None:
    request = {"model": "smollm2:135m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    async with bridge.client.post("/v1/chat/completions", json=request) as response:
        assert response.status == 200
        await response.read()

    seen = await samples(bridge)

    assert seen[f"gen_ai_server_request_duration_seconds_count[error_type=]{GEN_AI}"] == 1
    assert seen[f"gen_ai_server_time_to_first_token_seconds_count{GEN_AI}"] == 1


async def test_held_requests_are_counted_and_timed(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, hold_timeout=0.01)
    await ollama.go_away()

    await bridge.json()  # learns that no pod can be reached
    await bridge.json()

    seen = await samples(bridge)
    assert seen["speechbridge_hold_duration_seconds_count[outcome=failed][stage=generate]"] >= 1
    assert seen["speechbridge_requests_held[stage=generate]"] == 0
    assert bridge.service.load.document()["ollama"]["held"] == 1, "remembered, so that a pod starts"


async def test_requests_that_are_refused_at_once_have_no_duration_of_a_hold(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, hold_timeout=60, max_held_requests=1)
    await lead_to(bridge.service.whisper)
    held = asyncio.create_task(bridge.json())
    await bridge.until(lambda: bridge.service.whisper.reachability.held == 1)

    status, _ = await bridge.json()

    assert status == 503
    assert not [name for name in await samples(bridge) if "hold_duration" in name]
    await lead_to(bridge.service.whisper, "127.0.0.1")
    await held
    seen = await samples(bridge)
    assert seen["speechbridge_hold_duration_seconds_count[outcome=ok][stage=transcribe]"] == 1


async def test_the_duration_of_a_hold_ends_when_a_pod_can_be_reached(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    """The request may then wait for a slot for work, which it released."""
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, hold_timeout=60, queue_timeout=60, max_concurrent_requests=1
    )
    await lead_to(bridge.service.whisper)
    held = asyncio.create_task(bridge.json())
    await bridge.until(lambda: bridge.service.whisper.reachability.held == 1)
    gate = ollama.hold(Point.BEFORE_ANSWER)
    chat = {"messages": [{"role": "user", "content": "Hello"}]}
    other = asyncio.create_task(bridge.client.post("/v1/chat/completions", json=chat))
    await gate.reached()

    await lead_to(bridge.service.whisper, "127.0.0.1")
    await bridge.until(lambda: bridge.service.admission.queued == 1)

    seen = await samples(bridge)
    assert seen["speechbridge_hold_duration_seconds_count[outcome=ok][stage=transcribe]"] == 1
    gate.release()
    await asyncio.gather(held, other)


TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False)])
async def test_latencies_have_sampled_traces_as_exemplars(streaming_bridge: Bridge, flags: str, sampled: bool) -> None:  # noqa: FBT001
    traceparent, client = f"00-{TRACE}-b7ad6b7169203331-{flags}", streaming_bridge.client
    whisper = streaming_bridge.service.whisper
    await lead_to(whisper)
    posted = asyncio.create_task(client.post("/process", data=form(WAV), headers={"traceparent": traceparent}))
    await streaming_bridge.until(lambda: whisper.reachability.held == 1)
    await lead_to(whisper, "127.0.0.1")
    async with await posted as response:
        assert response.status == 200
        await response.read()

    accept = "application/openmetrics-text; version=1.0.0"
    async with client.get("/metrics", headers={"Accept": accept}) as response:
        assert response.content_type == "application/openmetrics-text"
        text = await response.text()

    traced = {
        sample.name.removesuffix("_bucket")
        for family in openmetrics(text)
        for sample in family.samples
        if sample.exemplar and sample.exemplar.labels == {"trace_id": TRACE}
    }
    families = streaming_bridge.service.metrics.families
    latencies = {one.name for one in families if one.type == "histogram" and one.name.endswith("_seconds")}
    assert len(latencies) == 9
    assert traced == (latencies if sampled else set())


TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html, application/json", TEXT),
        ("text/plain; version=1.0.0", TEXT),
        ('text/plain;version="0.0.4"', TEXT),
        ("text/plain;version=1.0.0;escaping=allow-utf-8", TEXT),
        ("text/plain;version=latest", TEXT),
        ("text/plain;version=0.0.4, application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.000", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        ("Application/OpenMetrics-Text ; version=1.0.0", OPEN_METRICS),
        ('application/openmetrics-text; version="1.0.0"', OPEN_METRICS),
        ("application/openmetrics-text;version=x", OPEN_METRICS),
        ("application/openmetrics-text;version=latest", OPEN_METRICS),
        ("application/openmetrics-text;version=99.0.0;escaping=allow-utf-8", OPEN_METRICS),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", OPEN_METRICS),
    ],
)
async def test_whatever_a_scraper_accepts_it_gets_one_of_two_documented_formats(
    bridge: Bridge, accept: str, content_type: str
) -> None:
    async with bridge.client.get("/metrics", headers={"Accept": accept}) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, content_type)
        text = await response.text()
    assert text.endswith("# EOF\n") == (content_type == OPEN_METRICS)


def test_both_formats_are_in_the_openapi_document() -> None:
    answer = health.PATHS["/metrics"]["get"]["responses"]["200"]

    assert set(answer["content"]) == {TEXT, OPEN_METRICS}


async def test_the_duration_of_a_request_includes_writing_the_answer(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, released = asyncio.Event(), asyncio.Event()
    write_eof = web.Response.write_eof

    async def held(response: web.Response, *args: bytes) -> None:
        if response.text and response.text.startswith('{"transcription"'):
            reached.set()
            await released.wait()
        await write_eof(response, *args)

    monkeypatch.setattr(web.Response, "write_eof", held)
    name = "speechbridge_request_duration_seconds_count[route=/process]"

    asking = asyncio.create_task(bridge.json())
    await reached.wait()
    assert name not in await samples(bridge)
    released.set()
    await asking

    assert (await samples(bridge))[name] == 1


async def test_requests_in_flight_are_counted_by_stage(bridge: Bridge, ollama: FakeOllama) -> None:
    gate = ollama.hold(Point.BETWEEN_TOKENS)
    async with bridge.client.post("/process", data=form(WAV, stream="true")) as response:
        await gate.reached()
        seen = await samples(bridge)
        gate.release()
        await response.read()

    stages = {
        stage: seen[f"speechbridge_requests_in_flight[stage={stage}]"] for stage in ("queue", "transcribe", "generate")
    }
    assert stages == {"queue": 0, "transcribe": 0, "generate": 1}


@pytest.mark.parametrize(
    ("outcome", "fields"), [("rejected", {"language": "klingon"}), ("partial", {}), ("overloaded", {})]
)
async def test_outcomes(bridge: Bridge, ollama: FakeOllama, outcome: str, fields: dict[str, str]) -> None:
    ollama.always(StreamError(after=0))
    bridge.service.admission.stopping = outcome == "overloaded"

    await bridge.json(**fields)

    assert (await samples(bridge))[f"speechbridge_requests_total[outcome={outcome}][route=/process]"] == 1


ANSWERING = (
    *("/process", "/v1/audio/transcriptions", "/v1/audio/translations"),
    *("/v1/chat/completions", "/v1/responses"),
)


async def test_requests_of_each_route_and_outcome_are_counted_from_zero(bridge: Bridge) -> None:
    """So that the first failure is an increase."""
    expected = {
        f"speechbridge_requests_total[outcome={outcome}][route={route}]": 0.0
        for outcome in REQUEST_OUTCOMES
        for route in ANSWERING
    }

    seen = await samples(bridge)

    assert {name: value for name, value in seen.items() if name.startswith("speechbridge_requests_total")} == expected


def test_every_outcome_of_a_problem_is_known() -> None:
    assert {Problem(code, "").outcome for code in PROBLEMS} < set(REQUEST_OUTCOMES)


async def test_invented_names_are_not_labels(bridge: Bridge) -> None:
    for number in range(5):
        await bridge.client.get(f"/made-up/{number}")
        await bridge.client.get(f"/v1/models/made-up-{number}")
        await bridge.client.patch("/process")
        await bridge.json(model=f"made-up-{number}")
        await bridge.json(language=f"made-up-{number}")

    seen = await samples(bridge)

    assert not [name for name in seen if "made" in name.lower()]
    assert seen["speechbridge_requests_total[outcome=rejected][route=unmatched]"] == 10


def test_models_after_the_first_32_share_a_label() -> None:
    metrics = Metrics()
    metrics.know_models(f"model-{number}" for number in range(1000))

    labels = {metrics.model_label(f"model-{number}") for number in range(1000)}

    assert len(labels) == 33
    assert "other" in labels
    assert metrics.model_label("model-0") == "model-0"


def test_models_that_are_known_take_no_place_of_new_ones() -> None:
    metrics = Metrics()
    first = [f"model-{number}" for number in range(30)]
    metrics.know_models(first)

    metrics.know_models([*first, "new"])

    assert metrics.model_label("new") == "new"


GENERATED = "speechbridge_stage_duration_seconds_count"


async def test_unverified_names_of_models_are_not_labels(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    """If the models cannot be listed, clients' names are forwarded unverified."""
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models="", hold_timeout=0.01)
    await ollama.go_away()

    await bridge.json(model="made-up")
    before = await samples(bridge)
    await ollama.come_back()
    after = before
    async with asyncio.timeout(20):
        while f"{GENERATED}[model=smollm2:135m][outcome=ok][stage=generate]" not in after:  # once it is listed
            await bridge.json(model="smollm2:135m")
            after = await samples(bridge)

    assert not [name for name in after if "made-up" in name]
    assert any("[model=other][outcome=failed]" in name and value for name, value in before.items())


async def test_every_metric_has_its_unit_in_its_name_and_a_help_text(bridge: Bridge) -> None:
    async with bridge.client.get("/metrics") as response:
        families = list(text_string_to_metric_families(await response.text()))

    ours = [item for item in families if re.match(r"speechbridge_.*(?<!_created)$", item.name)]
    assert len(ours) > 10
    assert [family.name for family in ours if not family.documentation] == []
    assert [family.name for family in ours if family.type != "counter" and not family.name.endswith(UNITS)] == []
