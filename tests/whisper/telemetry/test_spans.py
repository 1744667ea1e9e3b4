"""The spans of requests of the Whisper server, over a scripted decoder."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from aiohttp import FormData
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics

from kept_spans import KeptSpans, attributes, events, parent_of, trace_of
from speechwhisper.recognition.guards import Doubtful
from speechwhisper.recognition.judging import Doubt
from speechwhisper.service import SERVICE
from speechwhisper.telemetry import logs
from speechwhisper.telemetry.spans import Tracing
from whisper import media
from whisper.conftest import Start, eventually
from whisper.scripted import ScriptedDecoder, segment

if TYPE_CHECKING:
    from aiohttp.test_utils import TestClient

pytestmark = pytest.mark.unit

TRANSCRIPTIONS = "/v1/audio/transcriptions"
ROOT, RECOGNITION = f"POST {TRANSCRIPTIONS}", "transcribe tiny"
CALLER, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAID = " The secret word."


@dataclass
class Traced:
    """A server with one slot, and the spans of its requests."""

    client: TestClient
    spans: KeptSpans

    async def transcribe(self, content: bytes | None = None, **fields: str) -> int:
        form = FormData(fields)
        form.add_field("file", media.encode(media.tone(1)) if content is None else content, filename="a.wav")
        async with self.client.post(TRANSCRIPTIONS, data=form) as response:
            await response.read()
            return response.status


async def start_traced(start: Start, decoder: ScriptedDecoder | None = None) -> Traced:
    spans = KeptSpans()
    traces = Tracing(spans.provider, "tiny")
    return Traced(await start(decoder or ScriptedDecoder([segment(SAID)]), traces=traces), spans)


@pytest.fixture
async def traced(start: Start) -> Traced:
    return await start_traced(start)


async def test_a_request_has_spans_of_its_upload_and_of_the_recognition(traced: Traced) -> None:
    assert await traced.transcribe() == 200

    assert sorted(traced.spans.tree()) == sorted([ROOT, "  receive recording", f"  {RECOGNITION}"])
    assert traced.spans.one(ROOT).kind is SpanKind.SERVER
    assert len({trace_of(span) for span in traced.spans.all}) == 1


async def test_it_continues_the_trace_of_the_caller(traced: Traced) -> None:
    form = FormData()
    form.add_field("audio_file", media.encode(media.tone(1)), filename="a.wav")
    headers = {"traceparent": f"00-{CALLER}-{CALLERS_SPAN}-01"}

    async with traced.client.post("/asr", data=form, headers=headers) as response:
        await response.read()

    request = traced.spans.one("POST /asr")
    assert (trace_of(request), parent_of(request)) == (CALLER, CALLERS_SPAN)


async def test_the_request_has_the_attributes_of_http(traced: Traced) -> None:
    await traced.transcribe()

    found = attributes(traced.spans.one(ROOT))
    assert len(found.pop("speech.request_id")) == 16
    assert found == {
        "http.request.method": "POST",
        "http.route": TRANSCRIPTIONS,
        "url.path": TRANSCRIPTIONS,
        "url.scheme": "http",
        "http.response.status_code": 200,
        "speech.outcome": "ok",
    }


async def test_the_recognition_tells_what_it_heard_how_long(start: Start) -> None:
    doubtful = (Doubtful(0.2, 0.8, Doubt.NO_WORDS),)
    traced = await start_traced(start, ScriptedDecoder([segment(SAID)], doubtful=doubtful))

    await traced.transcribe()

    recognition = traced.spans.one(RECOGNITION)
    assert attributes(recognition) == {
        "speech.model": "tiny",
        "speech.audio_seconds": 1.0,
        "speech.speech_seconds": 0.5,
        "speech.transcribed_seconds": 1.0,
        "speech.language": "en",
    }
    assert events(recognition) == ["doubtful"]
    assert dict(recognition.events[0].attributes or {}) == {
        "speech.start": 0.2,
        "speech.end": 0.8,
        "speech.reason": "no_words",
    }


async def test_the_wait_for_a_slot_is_a_span(start: Start) -> None:
    decoder = ScriptedDecoder([segment(SAID)], hold=True)
    traced = await start_traced(start, decoder)
    first = asyncio.create_task(traced.transcribe())
    await eventually(decoder.started.is_set)
    second = asyncio.create_task(traced.transcribe())
    slots = traced.client.server.app[SERVICE].slots
    await eventually(lambda: slots.load().waiting == 1)

    decoder.go_on()

    assert await asyncio.gather(first, second) == [200, 200]
    assert parent_of(traced.spans.one("queue")) is not None


async def test_a_wait_for_a_slot_that_the_client_gives_up_is_a_span(start: Start) -> None:
    decoder = ScriptedDecoder([segment(SAID)], hold=True)
    traced = await start_traced(start, decoder)
    first = asyncio.create_task(traced.transcribe())
    await eventually(decoder.started.is_set)
    second = asyncio.create_task(traced.transcribe())
    slots = traced.client.server.app[SERVICE].slots
    await eventually(lambda: slots.load().waiting == 1)

    second.cancel()
    await eventually(lambda: bool(traced.spans.named(ROOT)))
    decoder.go_on()
    await first

    waited = traced.spans.one("queue")
    assert attributes(waited) == {"error.type": "cancelled"}
    assert waited.status.status_code is StatusCode.UNSET


async def test_a_wait_for_a_slot_that_the_server_ends_is_an_error(start: Start) -> None:
    decoder = ScriptedDecoder([segment(SAID)], hold=True)
    traced = await start_traced(start, decoder)
    first = asyncio.create_task(traced.transcribe())
    await eventually(decoder.started.is_set)
    second = asyncio.create_task(traced.transcribe())
    slots = traced.client.server.app[SERVICE].slots
    await eventually(lambda: slots.load().waiting == 1)

    slots.close()
    assert await second == 503
    decoder.go_on()
    await first

    waited = traced.spans.one("queue")
    assert (attributes(waited), waited.status.status_code) == ({"error.type": "busy"}, StatusCode.ERROR)


async def test_a_recording_that_is_none_is_the_clients_fault(traced: Traced) -> None:
    assert await traced.transcribe(b"This is text.") == 400

    request, recognition = traced.spans.one(ROOT), traced.spans.one(RECOGNITION)
    assert request.status.status_code is StatusCode.UNSET
    assert attributes(request)["speech.outcome"] == attributes(recognition)["error.type"] == "not_audio"


async def test_a_failure_is_an_error(start: Start) -> None:
    traced = await start_traced(start, ScriptedDecoder([segment(SAID)], fails=True))

    assert await traced.transcribe() == 500

    request, recognition = traced.spans.one(ROOT), traced.spans.one(RECOGNITION)
    assert request.status.status_code is recognition.status.status_code is StatusCode.ERROR
    assert (attributes(request)["error.type"], attributes(recognition)["error.type"]) == ("internal", "RuntimeError")


async def test_a_stream_that_fails_after_its_status_is_an_error(start: Start) -> None:
    traced = await start_traced(start, ScriptedDecoder([segment(SAID)], fails=True))

    assert await traced.transcribe(stream="true") == 200

    request = traced.spans.one(ROOT)
    assert (request.status.status_code, attributes(request)["error.type"]) == (StatusCode.ERROR, "internal")


async def test_a_client_that_disconnects_ends_its_spans(start: Start) -> None:
    decoder = ScriptedDecoder([segment(SAID)], hold=True)
    traced = await start_traced(start, decoder)
    asking = asyncio.create_task(traced.transcribe())
    await eventually(decoder.started.is_set)

    asking.cancel()
    await eventually(lambda: len(traced.spans.all) == 3)

    assert attributes(traced.spans.one(ROOT))["speech.outcome"] == "cancelled"
    assert attributes(traced.spans.one(RECOGNITION))["error.type"] == "cancelled"
    assert traced.spans.one(RECOGNITION).status.status_code is StatusCode.UNSET


async def test_lines_of_the_log_have_the_id_of_the_trace(traced: Traced, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "speechwhisper")
    seen: list[str] = []
    caplog.handler.addFilter(lambda _: seen.append(logs.trace_id.get()) or True)  # type: ignore[func-returns-value]

    await traced.transcribe()

    assert set(seen) == {trace_of(traced.spans.one(ROOT))}


async def test_no_span_has_what_was_said_or_prompted(traced: Traced) -> None:
    await traced.transcribe(prompt="Zendesk")

    everything = json.dumps([span.to_json() for span in traced.spans.all])
    assert "secret" not in everything
    assert "Zendesk" not in everything


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_probes_and_scrapes_are_not_traced(traced: Traced, path: str) -> None:
    async with traced.client.get(path):
        pass

    assert traced.spans.all == []


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False)])
async def test_latencies_have_sampled_traces_as_exemplars(traced: Traced, flags: str, sampled: bool) -> None:  # noqa: FBT001
    form = FormData()
    form.add_field("audio_file", media.encode(media.tone(1)), filename="a.wav")
    headers = {"traceparent": f"00-{CALLER}-{CALLERS_SPAN}-{flags}"}
    async with traced.client.post("/asr", data=form, headers=headers) as response:
        assert response.status == 200
        await response.read()

    assert await exemplars(traced.client) == (dict.fromkeys(LATENCIES, CALLER) if sampled else {})


async def test_requests_that_are_not_traced_leave_no_exemplars(start: Start) -> None:
    client = await start(ScriptedDecoder([segment(SAID)]))
    form = FormData()
    form.add_field("audio_file", media.encode(media.tone(1)), filename="a.wav")
    async with client.post("/asr", data=form) as response:
        assert response.status == 200
        await response.read()

    assert await exemplars(client) == {}


LATENCIES = (
    "speechwhisper_request_duration_seconds",
    "speechwhisper_time_to_first_segment_seconds",
    "speechwhisper_batch_wait_seconds",
    "speechwhisper_batch_duration_seconds",
)


async def exemplars(client: TestClient) -> dict[str, str]:
    """The trace of each histogram that has one."""
    accept = "application/openmetrics-text; version=1.0.0"
    async with client.get("/metrics", headers={"Accept": accept}) as response:
        assert response.content_type == "application/openmetrics-text"
        text = await response.text()
    return {
        family.name: sample.exemplar.labels["trace_id"]
        for family in openmetrics(text)
        for sample in family.samples
        if sample.exemplar
    }
