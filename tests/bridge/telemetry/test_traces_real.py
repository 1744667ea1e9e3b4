"""One trace through the real programs: bridge, Whisper with tiny.en, SmolLM2, and the OpenTelemetry Collector."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml

import otlp_file
from bridge.running import form
from speechlocal import models, programs
from speechlocal.children import Program, free_port, running
from speechlocal.demo_output import DEMO_RECORDING
from speechlocal.stack import plan, started

if TYPE_CHECKING:
    from pathlib import Path

    from otlp_file import Span

pytestmark = pytest.mark.component

CALLER, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROMPT = "Answer in one word: which colour is an orange?"
WITHIN_S, POLL_S = 20.0, 0.05
SERVICES = {"speechbridge", "speechwhisper"}
CLOCKS_S = 0.002
"""What the times of two programs may differ by: each converts its monotonic clock."""


@dataclass(frozen=True)
class Asked:
    """A request, and what the collector got of it once all programs had stopped."""

    answer: dict[str, Any]
    spans: list[Span]
    written: str

    def one(self, name: str) -> Span:
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def below(self, parent: str) -> list[str]:
        return [span.name for span in self.spans if span.parent == self.one(parent).id]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("collector")
    file, port = folder / "traces.json", free_port()
    answer = asyncio.run(ask(collector(folder, file, port), file, port))
    return Asked(answer, otlp_file.read(file), file.read_text(encoding="utf-8"))


def collector(folder: Path, file: Path, port: int) -> Program:
    """Return the OpenTelemetry Collector: OTLP over HTTP in, a file out."""
    found = programs.find("otelcol")
    if found is None:
        why = "the OpenTelemetry Collector is not on this machine; `make test` builds it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    own = free_port()
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": own}}}}
    config = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"file": {"path": str(file)}},
        "service": {
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["file"]}},
            "telemetry": {"metrics": {"readers": [reader]}},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = (str(found), f"--config={folder / 'config.yaml'}")
    return Program("collector", command, ready_url=f"http://127.0.0.1:{own}/metrics")


async def ask(receiver: Program, file: Path, port: int) -> dict[str, Any]:
    """Ask the traced programs one question, and stop them; only then are the spans sent."""
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }
    untraced = plan()
    traced = [replace(one, environment={**one.environment, **variables}) for one in untraced.programs]
    async with running([receiver]):
        async with started(replace(untraced, programs=tuple(traced))) as stack, aiohttp.ClientSession() as http:
            question = form(DEMO_RECORDING.read_bytes(), prompt=PROMPT, max_tokens="16")
            headers = {"traceparent": f"00-{CALLER}-{CALLERS_SPAN}-01"}
            async with http.post(f"{stack.url}/process", data=question, headers=headers) as response:
                answer: dict[str, Any] = await response.json()
        async with asyncio.timeout(WITHIN_S):
            while {span.service for span in otlp_file.read(file)} < SERVICES:  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_S)
    return answer


def test_the_request_is_one_trace_which_the_caller_began(asked: Asked) -> None:
    assert {span.trace for span in asked.spans} == {CALLER}
    assert asked.one("POST /process").parent == CALLERS_SPAN


def test_it_leads_from_the_bridge_through_whispers_blocks_to_the_language_model(asked: Asked) -> None:
    chat = f"chat {models.LLM_NAME}"

    assert {"receive recording", "speech_to_text whisper-1", chat} <= set(asked.below("POST /process"))
    assert asked.below("speech_to_text whisper-1") == ["POST /v1/audio/transcriptions"]
    assert set(asked.below("POST /v1/audio/transcriptions")) >= {"receive recording", "transcribe tiny.en"}
    assert set(asked.below("transcribe tiny.en")) == {"decode block"}
    assert asked.below("decode block") == asked.below(chat) == []


def test_every_span_lies_within_its_parent(asked: Asked) -> None:
    spans = {span.id: span for span in asked.spans}
    for span in asked.spans:
        if parent := spans.get(span.parent):
            assert parent.start - CLOCKS_S <= span.start <= min(span.end, parent.end + CLOCKS_S), span.name
            # A server may come to the end of its span only after the client has read the last byte.
            assert span.end <= parent.end or span.service != parent.service, span.name


def test_the_blocks_are_those_of_the_recording(asked: Asked) -> None:
    (block,) = (span for span in asked.spans if span.name == "decode block")

    assert block.service == "speechwhisper"
    assert 0 <= block.attributes["speech.block.start"] < block.attributes["speech.block.end"]
    assert block.attributes["speech.block.end"] <= asked.answer["audio_seconds"] + 0.1
    assert block.attributes["speech.block.temperature"] == 0


def test_models_are_named_and_tokens_counted(asked: Asked) -> None:
    chat = asked.one(f"chat {models.LLM_NAME}").attributes

    assert chat["gen_ai.usage.input_tokens"] > 10
    assert chat["gen_ai.usage.output_tokens"] > 0
    assert asked.one("speech_to_text whisper-1").attributes["speech.audio_seconds"] == pytest.approx(
        asked.answer["audio_seconds"]
    )


def test_the_first_segment_and_token_are_marked(asked: Asked) -> None:
    assert asked.one("speech_to_text whisper-1").events == ("accepted", "first segment")
    assert asked.one(f"chat {models.LLM_NAME}").events == ("first token",)


def test_nothing_failed_and_nothing_that_was_said_has_left_the_pods(asked: Asked) -> None:
    assert [span.name for span in asked.spans if span.failed] == []
    for private in (PROMPT, asked.answer["transcription"].strip(), asked.answer["response"].strip()):
        assert private
        assert private not in asked.written
    assert "colour" not in asked.written
