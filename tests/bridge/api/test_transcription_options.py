"""Options of a transcription on their way from the form to each kind of Whisper server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bridge.running import form
from fakes.speech_whisper import FakeSpeechWhisper

if TYPE_CHECKING:
    from bridge.running import Bridge, StartBridge
    from fakes.ollama import FakeOllama
    from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

ROUTES = ["/process", "/v1/audio/transcriptions"]


async def send(bridge: Bridge, path: str, **fields: str) -> None:
    async with bridge.client.post(path, data=form(b"", **fields)) as response:
        assert response.status == 200, await response.text()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("field", ["hotwords", "vocabulary"])
async def test_hotwords_are_forwarded(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, path: str, field: str
) -> None:
    await send(streaming_bridge, path, **{field: "Ada,\nGrace Hopper\n"})

    assert speech_whisper.work[0].value("hotwords") == "Ada, Grace Hopper"


@pytest.mark.parametrize("path", ROUTES)
async def test_hotwords_are_the_prompt_of_whisper_asr_webservice(
    bridge: Bridge, asr: FakeAsrWebservice, path: str
) -> None:
    await send(bridge, path, hotwords="Ada, Grace")

    assert asr.work[0].query["initial_prompt"] == "Ada, Grace"


async def test_hotwords_follow_the_prompt_of_whisper_asr_webservice(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    await send(bridge, "/v1/audio/transcriptions", hotwords="Ada, Grace", prompt="Two pioneers.")

    assert asr.work[0].query["initial_prompt"] == "Two pioneers. Ada, Grace"


@pytest.mark.parametrize("word", ["word", "größer"])
async def test_a_long_prompt_of_whisper_asr_webservice_is_cut_at_a_word(
    bridge: Bridge, asr: FakeAsrWebservice, word: str
) -> None:
    await send(bridge, "/v1/audio/transcriptions", hotwords="Ada, Grace", prompt=f"{word} " * 10_000)

    *kept, ada, grace = asr.work[0].query["initial_prompt"].split()
    assert (set(kept), ada, grace) == ({word}, "Ada,", "Grace")
    assert 1900 <= len(asr.work[0].query["initial_prompt"].encode()) <= 2000


OPTIONS = {"vad_filter": "no"}
NAMES = [
    ("/process", "initial_prompt", "whisper_temperature"),
    ("/v1/audio/transcriptions", "prompt", "temperature"),
]
"""In a form for both, the short names are the language model's."""


@pytest.mark.parametrize(("path", "prompt", "temperature"), NAMES)
async def test_options_reach_an_openai_whisper(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, path: str, prompt: str, temperature: str
) -> None:
    await send(streaming_bridge, path, **OPTIONS, **{prompt: "Mr. Dashwood", temperature: "0.4"})

    sent = {name: speech_whisper.work[0].value(name) for name in ("temperature", "vad_filter", "prompt")}
    assert sent == {"temperature": "0.4", "vad_filter": "false", "prompt": "Mr. Dashwood"}


@pytest.mark.parametrize(("path", "prompt", "temperature"), NAMES)
async def test_options_reach_whisper_asr_webservice(
    bridge: Bridge, asr: FakeAsrWebservice, path: str, prompt: str, temperature: str
) -> None:
    await send(bridge, path, **OPTIONS, **{prompt: "Mr. Dashwood", temperature: "0.4"})

    query = asr.work[0].query
    assert {name: query[name] for name in ("temperature", "vad_filter", "initial_prompt")} == {
        "temperature": "0.4",
        "vad_filter": "false",
        "initial_prompt": "Mr. Dashwood",
    }


@pytest.mark.parametrize("path", ROUTES)
async def test_options_that_are_not_sent_are_left_to_whisper(
    bridge: Bridge, streaming_bridge: Bridge, asr: FakeAsrWebservice, speech_whisper: FakeSpeechWhisper, path: str
) -> None:
    await send(bridge, path)
    await send(streaming_bridge, path)

    assert set(asr.work[0].query) == {"output", "task", "encode"}
    assert set(speech_whisper.work[0].form) == {"model", "response_format", "stream", "timestamp_granularities[]"}


async def test_process_translates(
    bridge: Bridge, asr: FakeAsrWebservice, start_bridge: StartBridge, ollama: FakeOllama
) -> None:
    async with FakeSpeechWhisper(model="small") as whisper:
        openai = await start_bridge(whisper_url=whisper.url, transcriber="openai", ollama_url=ollama.url)
        await send(openai, "/process", task="translate")
    await send(bridge, "/process", task="translate")

    assert whisper.work[0].path == "/v1/audio/translations"
    assert asr.work[0].query["task"] == "translate"


async def test_process_reports_a_model_that_cannot_translate(streaming_bridge: Bridge) -> None:
    assert (await streaming_bridge.json(task="translate"))[1]["code"] == "unsupported_task"


@pytest.mark.parametrize("field", ["task", "whisper_temperature", "vad_filter"])
async def test_process_rejects_an_invalid_option(bridge: Bridge, asr: FakeAsrWebservice, field: str) -> None:
    status, problem = await bridge.json(**{field: "dance"})

    assert (status, problem["code"], problem["param"]) == (400, "bad_field", field)
    assert not asr.work


@pytest.mark.parametrize("granularity", ["word", "segment"])
@pytest.mark.parametrize("response_format", ["verbose_json", "json", ""])
async def test_segments_of_a_stream_have_words_if_requested(
    streaming_bridge: Bridge, granularity: str, response_format: str
) -> None:
    fields = {"stream": "true", "response_format": response_format, "timestamp_granularities[]": granularity}

    async with streaming_bridge.client.post("/v1/audio/transcriptions", data=form(b"", **fields)) as response:
        *deltas, _ = [json.loads(line[6:]) for line in (await response.text()).splitlines() if line[:6] == "data: "]

    assert deltas
    for delta in deltas:
        if granularity == "segment":
            assert "words" not in delta["segment"]
            continue
        words = delta["segment"]["words"]
        assert [word["word"] for word in words] == delta["delta"].split()
        assert words[-1]["end"] == pytest.approx(delta["segment"]["end"])
        assert set(words[0]) == {"word", "start", "end"}
