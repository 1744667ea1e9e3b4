"""The spans of requests, in the bridge's process, with fakes for upstreams."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from bridge.running import WAV, Bridge, form, lead_to
from bridge.wire import all_events
from fakes.faults import HangUp, status
from fakes.gates import Point
from fakes.speech_whisper import FakeSpeechWhisper
from kept_spans import KeptSpans, attributes, events, id_of, parent_of, trace_of
from speechbridge.settings import Settings
from speechbridge.telemetry import logs
from speechbridge.telemetry.spans import Names, Tracing

if TYPE_CHECKING:
    from bridge.running import StartBridge
    from fakes.ollama import FakeOllama
    from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

CALLER, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = {"traceparent": f"00-{CALLER}-{CALLERS_SPAN}-01", "tracestate": "vendor=1"}
STT, CHAT = "speech_to_text whisper-1", "chat smollm2:135m"
CONVERSATION = ["POST /process", "  receive recording", f"  {STT}", f"  {CHAT}"]
MESSAGES = {"model": "smollm2:135m", "messages": [{"role": "user", "content": "Hello"}]}


@dataclass
class Traced:
    """A bridge, and the spans of its requests."""

    bridge: Bridge
    spans: KeptSpans


async def start_traced(start_bridge: StartBridge, **settings: Any) -> Traced:
    spans = KeptSpans()
    traces = Tracing(spans.provider, Names.of(Settings(**settings)))
    return Traced(await start_bridge(traces=traces, **settings), spans)


@pytest.fixture
async def traced(start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama) -> Traced:
    return await start_traced(start_bridge, whisper_url=speech_whisper.url, transcriber="openai", ollama_url=ollama.url)


async def test_a_request_is_one_trace_with_a_child_for_each_model(traced: Traced) -> None:
    await traced.bridge.json()

    assert traced.spans.tree() == CONVERSATION
    assert len({trace_of(span) for span in traced.spans.all}) == 1
    assert [traced.spans.one(name).kind for name in ("POST /process", STT, CHAT)] == [
        SpanKind.SERVER,
        SpanKind.CLIENT,
        SpanKind.CLIENT,
    ]


async def test_children_lie_within_their_request(traced: Traced) -> None:
    await traced.bridge.json()

    whole = traced.spans.one("POST /process")
    for span in traced.spans.all:
        assert (whole.start_time or 0) <= (span.start_time or 0) <= (span.end_time or 0) <= (whole.end_time or 0)


async def test_the_request_has_the_attributes_of_http(traced: Traced) -> None:
    async with traced.bridge.client.post("/process", data=form(WAV), headers={"X-Request-ID": "call-42"}):
        pass

    assert attributes(traced.spans.one("POST /process")) == {
        "http.request.method": "POST",
        "http.route": "/process",
        "url.path": "/process",
        "url.scheme": "http",
        "http.response.status_code": 200,
        "speech.outcome": "ok",
        "speech.request_id": "call-42",
    }


async def test_work_at_a_pod_has_the_attributes_of_generative_ai(traced: Traced) -> None:
    await traced.bridge.json()

    heard, said = attributes(traced.spans.one(STT)), attributes(traced.spans.one(CHAT))
    assert (
        heard.items()
        >= {
            "gen_ai.operation.name": "speech_to_text",
            "gen_ai.request.model": "whisper-1",
            "gen_ai.provider.name": "openai",
            "gen_ai.speech.input.language": "en",
            "server.address": "127.0.0.1",
        }.items()
    )
    assert (
        said.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "smollm2:135m",
            "gen_ai.provider.name": "ollama",
            "gen_ai.usage.output_tokens": 8,
            "gen_ai.response.finish_reasons": ("stop",),
        }.items()
    )
    assert said["gen_ai.usage.input_tokens"] > 0
    assert heard["speech.audio_seconds"] > 0


async def test_it_continues_the_trace_of_the_caller_up_to_the_pods(
    traced: Traced, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    async with traced.bridge.client.post("/process", data=form(WAV), headers=CONTEXT):
        pass

    request = traced.spans.one("POST /process")
    assert trace_of(request) == CALLER
    assert parent_of(request) == CALLERS_SPAN
    for received, name in ((speech_whisper.work[0], STT), (ollama.work[0], CHAT)):
        assert received.headers["traceparent"] == f"00-{CALLER}-{id_of(traced.spans.one(name))}-01"
        assert received.headers["tracestate"] == "vendor=1"


async def test_a_caller_that_does_not_sample_gets_no_spans_but_its_trace_goes_on(
    traced: Traced, ollama: FakeOllama
) -> None:
    headers = {"traceparent": f"00-{CALLER}-{CALLERS_SPAN}-00"}

    async with traced.bridge.client.post("/process", data=form(WAV), headers=headers):
        pass

    assert traced.spans.all == []
    assert ollama.work[0].headers["traceparent"].split("-")[1::2] == [CALLER, "00"]


@pytest.mark.parametrize("malformed", ["00-zz", f"00-{'0' * 32}-{CALLERS_SPAN}-01", f"ff-{CALLER}-{CALLERS_SPAN}-01"])
async def test_a_malformed_context_starts_a_new_trace(traced: Traced, malformed: str) -> None:
    async with traced.bridge.client.post("/process", data=form(WAV), headers={"traceparent": malformed}):
        pass

    request = traced.spans.one("POST /process")
    assert request.parent is None
    assert trace_of(request) not in malformed


async def test_lines_of_the_log_and_exemplars_have_the_id_of_the_trace(
    traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    logs.logger.addFilter(lambda _: seen.append(logs.trace_id.get()) or True)  # type: ignore[func-returns-value]
    await traced.bridge.json()
    logs.logger.filters.clear()

    (trace,) = {trace_of(span) for span in traced.spans.all}
    assert seen == [trace]
    assert [record.getMessage() for record in caplog.records] == ["request"]
    exposed = traced.bridge.service.metrics.exposition(open_metrics=True)[0].decode()
    exemplars = [sample.exemplar for family in openmetrics(exposed) for sample in family.samples if sample.exemplar]
    assert {exemplar.labels["trace_id"] for exemplar in exemplars} == {trace}


async def test_no_span_has_what_was_said_or_asked(traced: Traced, speech_whisper: FakeSpeechWhisper) -> None:
    _, answer = await traced.bridge.json(prompt="Reveal the secret", vocabulary="Zendesk")

    everything = json.dumps([span.to_json() for span in traced.spans.all])
    for private in ("secret", "Zendesk", answer["response"], *speech_whisper.transcript.text.split()[:3]):
        assert private.strip() not in everything


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/metrics", "/load"])
async def test_probes_and_scrapes_are_not_traced(traced: Traced, path: str) -> None:
    async with traced.bridge.client.get(path):
        pass

    assert traced.spans.all == []


async def test_another_attempt_is_another_span(traced: Traced, ollama: FakeOllama) -> None:
    ollama.script(HangUp())

    await traced.bridge.json()

    failed, second = traced.spans.named(CHAT)
    assert (failed.status.status_code, attributes(failed)["error.type"]) == (StatusCode.ERROR, "died")
    assert "http.request.resend_count" not in attributes(failed)
    assert (second.status.status_code, attributes(second)["http.request.resend_count"]) == (StatusCode.UNSET, 1)
    assert [received.headers["traceparent"].split("-")[2] for received in ollama.work] == [id_of(failed), id_of(second)]


async def test_a_request_that_fails_has_the_code_of_its_error(
    traced: Traced, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.always(HangUp())

    await traced.bridge.json()

    request = traced.spans.one("POST /process")
    assert request.status.status_code is StatusCode.ERROR
    assert (
        attributes(request).items()
        >= {
            "http.response.status_code": 502,
            "error.type": "transcriber_failed",
            "speech.outcome": "failed",
        }.items()
    )


async def test_an_answer_without_its_second_half_is_a_failure_although_its_status_is_200(
    traced: Traced, ollama: FakeOllama
) -> None:
    ollama.always(status(500))

    await traced.bridge.json()

    request = traced.spans.one("POST /process")
    assert request.status.status_code is StatusCode.ERROR
    assert attributes(request)["http.response.status_code"] == 200
    assert attributes(request)["error.type"].startswith("generator_")


async def test_a_mistake_of_the_client_is_not_an_error_of_the_service(traced: Traced) -> None:
    async with traced.bridge.client.post("/process", data=b"no form") as response:
        assert response.status == 400

    request = traced.spans.one("POST /process")
    assert request.status.status_code is StatusCode.UNSET
    assert attributes(request)["http.response.status_code"] == 400


async def test_the_wait_for_a_busy_pod_is_a_span(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    traced = await start_traced(start_bridge, whisper_url=asr.url, ollama_url=ollama.url)
    gate = asr.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(traced.bridge.json())
    await gate.reached()
    second = asyncio.create_task(traced.bridge.json())
    await traced.bridge.until(lambda: traced.bridge.service.whisper.waiting == 1)

    gate.release()
    await asyncio.gather(first, second)

    assert attributes(traced.spans.one("queue")) == {"speech.wait.for": "whisper"}


async def test_the_wait_for_a_turn_is_a_span(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    settings = {"whisper_url": speech_whisper.url, "transcriber": "openai", "ollama_url": ollama.url}
    traced = await start_traced(start_bridge, **settings, max_concurrent_requests=1)
    gate = ollama.hold(Point.BEFORE_FIRST_TOKEN)
    first = asyncio.create_task(traced.bridge.json())
    await gate.reached()
    second = asyncio.create_task(traced.bridge.json())
    await traced.bridge.until(lambda: traced.bridge.service.admission.queued == 1)

    gate.release()
    await asyncio.gather(first, second)

    assert attributes(traced.spans.one("queue")) == {"speech.wait.for": "admission"}


async def test_a_wait_for_a_turn_that_never_comes_says_why(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    settings = {"whisper_url": speech_whisper.url, "transcriber": "openai", "ollama_url": ollama.url}
    traced = await start_traced(start_bridge, **settings, max_concurrent_requests=1)
    gate = ollama.hold(Point.BEFORE_FIRST_TOKEN)
    first = asyncio.create_task(traced.bridge.json())
    await gate.reached()
    second = asyncio.create_task(traced.bridge.json())
    await traced.bridge.until(lambda: traced.bridge.service.admission.queued == 1)
    second.cancel()
    await traced.bridge.until(lambda: len(traced.spans.named("POST /process")) == 1)
    gate.release()
    await first

    waited = traced.spans.one("queue")
    assert attributes(waited) == {"speech.wait.for": "admission", "error.type": "cancelled"}
    assert waited.status.status_code is StatusCode.UNSET


async def test_a_wait_for_a_turn_that_lasts_too_long_is_an_error(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    settings = {"whisper_url": speech_whisper.url, "transcriber": "openai", "ollama_url": ollama.url}
    traced = await start_traced(start_bridge, **settings, max_concurrent_requests=1, queue_timeout=0.01)
    traced.bridge.service.admission.enter("another")

    code, _ = await traced.bridge.json()
    traced.bridge.service.admission.release("another")

    assert code == 503
    waited = traced.spans.one("queue")
    assert attributes(waited) == {"speech.wait.for": "admission", "error.type": "overloaded"}
    assert waited.status.status_code is StatusCode.ERROR


async def test_the_wait_for_a_pod_to_start_is_a_span(traced: Traced) -> None:
    await lead_to(traced.bridge.service.llm)
    asking = asyncio.create_task(traced.bridge.json())
    await traced.bridge.until(lambda: traced.bridge.service.llm.reachability.held == 1)

    await lead_to(traced.bridge.service.llm, "127.0.0.1")
    await asking

    held = traced.spans.one("hold")
    assert attributes(held) == {"speech.wait.for": "llm"}
    assert traced.spans.tree() == [*CONVERSATION[:-1], "  hold", CONVERSATION[-1]]


async def test_a_stream_ends_its_spans_when_it_ends_and_marks_the_firsts(traced: Traced, ollama: FakeOllama) -> None:
    gate = ollama.hold(Point.BEFORE_LAST_LINE)
    async with traced.bridge.client.post("/process", data=form(WAV, stream="true")) as response:
        await gate.reached()
        ended = {span.name for span in traced.spans.all}
        gate.release()
        await all_events(response)

    assert ended == {"receive recording", STT}
    assert events(traced.spans.one(STT)) == ["accepted", "first segment"]
    assert events(traced.spans.one(CHAT)) == ["first token"]
    assert traced.spans.tree() == CONVERSATION


async def test_a_client_that_disconnects_ends_its_spans(traced: Traced, ollama: FakeOllama) -> None:
    gate = ollama.hold(Point.BETWEEN_TOKENS)
    async with traced.bridge.client.post("/process", data=form(WAV, stream="true")) as response:
        await gate.reached()
        response.close()
        await ollama.until(lambda: ollama.work[0].disconnected)
    await traced.bridge.until(lambda: len(traced.spans.all) == len(CONVERSATION))

    assert attributes(traced.spans.one(CHAT))["error.type"] == "cancelled"
    assert traced.spans.one(CHAT).status.status_code is StatusCode.UNSET
    assert attributes(traced.spans.one("POST /process"))["speech.outcome"] == "cancelled"


async def test_a_chat_without_a_recording_has_the_language_model_alone(traced: Traced) -> None:
    async with traced.bridge.client.post("/v1/chat/completions", json=MESSAGES) as response:
        await response.read()

    assert traced.spans.tree() == ["POST /v1/chat/completions", f"  {CHAT}"]
    assert attributes(traced.spans.one(CHAT))["gen_ai.usage.output_tokens"] == 8


async def test_a_transcription_has_whisper_alone(traced: Traced) -> None:
    async with traced.bridge.client.post("/v1/audio/transcriptions", data=form(WAV)) as response:
        await response.read()

    assert traced.spans.tree() == ["POST /v1/audio/transcriptions", "  receive recording", f"  {STT}"]


async def test_the_prefill_of_the_prompt_is_a_span(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    settings = {"whisper_url": speech_whisper.url, "transcriber": "openai", "ollama_url": ollama.url}
    traced = await start_traced(start_bridge, **settings, prompt_prefill=True)
    gate = speech_whisper.hold(Point.BEFORE_ANSWER)
    asking = asyncio.create_task(traced.bridge.json())
    await gate.reached()
    await traced.bridge.until(lambda: bool(traced.spans.named("prefill smollm2:135m")))

    gate.release()
    await asking

    assert ollama.work[0].headers["traceparent"].split("-")[2] == id_of(traced.spans.one("prefill smollm2:135m"))
    assert set(traced.spans.tree()) == {*CONVERSATION, "  prefill smollm2:135m"}


async def test_a_request_that_moves_to_another_pod_names_both(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, ollama: FakeOllama
) -> None:
    port = speech_whisper.url.rpartition(":")[2]
    async with FakeSpeechWhisper().listen_on("127.0.0.2", int(port)) as other:
        traced = await start_traced(
            start_bridge, whisper_url=f"http://localhost:{port}", transcriber="openai", ollama_url=ollama.url
        )
        bridge, pods = traced.bridge, [speech_whisper, other]
        await lead_to(bridge.service.whisper, "127.0.0.1", "127.0.0.2")
        await bridge.until(lambda: all(endpoint.reports_load for endpoint in bridge.service.whisper.endpoints))
        for pod in pods:
            pod.hold(Point.BEFORE_ANSWER)
        asking = [asyncio.create_task(bridge.json()) for _ in range(2)]
        await bridge.until(lambda: all(len(pod.queue.working) == 1 for pod in pods))
        asking.append(asyncio.create_task(bridge.json()))
        await bridge.until(lambda: any(pod.queue.waiting for pod in pods))
        held, idle = sorted(pods, key=lambda pod: len(pod.queue.waiting), reverse=True)

        idle.release(Point.BEFORE_ANSWER)
        await bridge.until(lambda: len(traced.spans.named(STT)) == 2)
        held.release(Point.BEFORE_ANSWER)
        await asyncio.gather(*asking)

    (moved,) = [span for span in traced.spans.named(STT) if "speech.moved_from" in attributes(span)]
    addresses = (attributes(moved)["speech.moved_from"], attributes(moved)["server.address"])
    assert addresses == tuple(pod.url.removeprefix("http://").partition(":")[0] for pod in (held, idle))
