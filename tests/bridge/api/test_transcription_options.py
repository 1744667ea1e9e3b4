"""Options of a transcription on their way from the form to each kind of Whisper server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.running import form

if TYPE_CHECKING:
    from bridge.running import Bridge
    from fakes.speech_whisper import FakeSpeechWhisper
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
