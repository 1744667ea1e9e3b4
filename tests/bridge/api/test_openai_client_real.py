"""OpenAI's official client against the real service: tiny.en and SmolLM2."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.audio import TranscriptionTextDoneEvent

from bridge.openai_client import client_for, of_a_deprecated_method, spoken_question
from speechlocal.paths import RECORDINGS
from speechlocal.stack import Stack, plan, started_sync
from spoken import WORST_WORD_ERROR_RATE, transcript, word_error_rate, words

VOICE = RECORDINGS / "austen-ill-disposed.wav"

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with started_sync(plan()) as serving:
        yield serving


@pytest.fixture
async def real(stack: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_for(stack.url) as client:
        yield client


def understood(text: str) -> bool:
    return word_error_rate(transcript(VOICE), text) <= WORST_WORD_ERROR_RATE


async def test_transcribes(real: openai.AsyncOpenAI) -> None:
    transcription = await real.audio.transcriptions.create(file=VOICE, model="whisper-1")

    assert understood(transcription.text)
    assert transcription.usage
    assert transcription.usage.type == "duration"
    assert transcription.usage.seconds >= 4


@pytest.mark.parametrize(("form", "beginning"), [("text", ""), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0")])
async def test_transcribes_to_every_text(real: openai.AsyncOpenAI, form: Any, beginning: str) -> None:
    text = str(await real.audio.transcriptions.create(file=VOICE, model="whisper-1", response_format=form))

    assert text.startswith(beginning)
    assert "disposed" in words(text)


async def test_transcribes_with_words_and_segments(real: openai.AsyncOpenAI) -> None:
    verbose = await real.audio.transcriptions.create(
        file=VOICE,
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert verbose.language == "english"
    assert understood(verbose.text)
    assert verbose.segments
    assert verbose.words
    times = [time for word in verbose.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= verbose.duration + 0.1
    assert "".join(word.word for word in verbose.words) == verbose.text.replace(" ", "")


async def test_streams_a_transcript(real: openai.AsyncOpenAI) -> None:
    stream = await real.audio.transcriptions.create(file=VOICE, model="whisper-1", stream=True)
    *deltas, done = [event async for event in stream]

    assert deltas
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert understood(done.text)
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta").strip() == done.text


@of_a_deprecated_method
async def test_refuses_to_translate_with_an_english_model(real: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await real.audio.translations.create(file=VOICE, model="whisper-1")

    assert raised.value.code == "unsupported_task"


async def test_completes_a_chat(real: openai.AsyncOpenAI, stack: Stack) -> None:
    completion = await real.chat.completions.create(
        model=stack.model, messages=[{"role": "user", "content": "Say hello."}], max_tokens=12
    )

    assert completion.choices[0].message.content
    assert completion.usage
    assert 0 < completion.usage.completion_tokens <= 12


async def test_streams_a_chat_about_a_recording(real: openai.AsyncOpenAI, stack: Stack) -> None:
    stream = await real.chat.completions.create(
        model=stack.model,
        messages=[{"role": "user", "content": spoken_question(VOICE.read_bytes())}],
        max_tokens=12,
        stream=True,
    )
    said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]

    assert len([piece for piece in said if piece]) > 1


async def test_streams_a_response_about_a_recording(real: openai.AsyncOpenAI, stack: Stack) -> None:
    audio = {"data": base64.b64encode(VOICE.read_bytes()).decode(), "format": "wav"}
    content: Any = [
        {"type": "input_text", "text": "What is he like?"},
        {"type": "input_audio", "input_audio": audio},
    ]

    stream = await real.responses.create(
        model=stack.model, input=[{"role": "user", "content": content}], max_output_tokens=12, stream=True
    )
    events = [event async for event in stream]

    last = events[-1]
    assert last.type in {"response.completed", "response.incomplete"}  # the latter after 12 tokens
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) > 1
    assert "".join(deltas) == last.response.output_text
    assert last.response.usage
    assert 0 < last.response.usage.output_tokens <= 12


async def test_process_answers_with_json_of_a_schema(stack: Stack) -> None:
    schema = {"type": "object", "properties": {"kind": {"enum": ["good", "bad"]}}, "required": ["kind"]}
    form = aiohttp.FormData({"response_format": json.dumps(schema), "temperature": "0", "max_tokens": "40"})
    form.add_field("file", VOICE.read_bytes(), filename="a.wav")

    async with aiohttp.ClientSession() as client, client.post(f"{stack.url}/process", data=form) as response:
        answer = await response.json()

    assert json.loads(answer["response"])["kind"] in {"good", "bad"}


async def test_lists_and_retrieves_models(real: openai.AsyncOpenAI, stack: Stack) -> None:
    models = [model.id for model in (await real.models.list()).data]

    assert models == [stack.model, "whisper-1"]
    assert (await real.models.retrieve(stack.model)).id == stack.model


async def test_rejects_files_that_are_not_audio_and_unknown_models(real: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as of_audio:
        await real.audio.transcriptions.create(file=("a.wav", b"Dear reader, this is text."), model="whisper-1")
    with pytest.raises(openai.NotFoundError) as of_model:
        await real.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "Hello"}])

    assert of_audio.value.code == "not_audio"
    assert of_model.value.code == "model_not_found"
