"""OpenAI's official client against every OpenAI route of the bridge, unchanged but for its base URL."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent

from bridge.openai_client import client_for, of_a_deprecated_method, spoken_question
from bridge.running import WAV, Bridge, StartBridge
from fakes.faults import Answer, StreamError, refusing_url
from fakes.openai_chat import FakeOpenAIChat
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge.generators.prompt import GUARD

SPOKEN = (
    "He was not an ill-disposed young man, unless to be rather cold-hearted and rather selfish is to be ill-disposed."
)
MODEL = "smollm2"

pytestmark = pytest.mark.unit


@pytest.fixture
async def client(streaming_bridge: Bridge) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_for(streaming_bridge.url) as client:
        yield client


# Speech


async def test_transcribes(client: openai.AsyncOpenAI) -> None:
    transcription = await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1")

    assert transcription.text == SPOKEN
    assert transcription.usage
    assert transcription.usage.type == "duration"
    assert transcription.usage.seconds == 6


async def test_transcribes_with_every_option(client: openai.AsyncOpenAI, speech_whisper: FakeSpeechWhisper) -> None:
    await client.audio.transcriptions.create(
        file=("a.wav", WAV), model="whisper-1", language="en", prompt="Mr. Dashwood", temperature=0.2
    )

    (sent,) = speech_whisper.work
    assert {name: sent.value(name) for name in ("language", "prompt", "temperature")} == {
        "language": "en",
        "prompt": "Mr. Dashwood",
        "temperature": "0.2",
    }


async def test_transcribes_to_text(client: openai.AsyncOpenAI) -> None:
    text = await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1", response_format="text")

    assert text == f"{SPOKEN}\n"


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("srt", "1\n00:00:00,000 --> 00:00:02,400\nHe was not an ill-disposed young man,\n\n2\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:02.400\nHe was not an ill-disposed young man,\n\n00:00:02.400"),
    ],
)
async def test_transcribes_to_subtitles(client: openai.AsyncOpenAI, form: Any, beginning: str) -> None:
    subtitles = await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1", response_format=form)

    assert str(subtitles).startswith(beginning)


async def test_transcribes_with_segments(client: openai.AsyncOpenAI) -> None:
    verbose = await client.audio.transcriptions.create(
        file=("a.wav", WAV), model="whisper-1", response_format="verbose_json"
    )

    assert (verbose.text, verbose.language, verbose.duration) == (SPOKEN, "english", 5.8)
    assert verbose.segments
    assert [(segment.id, segment.start, segment.end) for segment in verbose.segments] == [
        (0, 0.0, 2.4),
        (1, 2.4, 4.1),
        (2, 4.1, 5.8),
    ]
    assert verbose.words is None


async def test_transcribes_with_words(client: openai.AsyncOpenAI) -> None:
    verbose = await client.audio.transcriptions.create(
        file=("a.wav", WAV), model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
    )

    assert verbose.words
    assert [word.word for word in verbose.words] == SPOKEN.split()
    assert verbose.words[-1].end == pytest.approx(5.8)
    assert verbose.segments is None


async def test_transcribes_with_words_and_segments(client: openai.AsyncOpenAI) -> None:
    verbose = await client.audio.transcriptions.create(
        file=("a.wav", WAV),
        model="whisper-1",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert verbose.words
    assert verbose.segments
    assert len(verbose.segments) == 3


async def test_words_that_whisperx_could_not_align_are_omitted(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    aligned = {"word": "Four", "start": 0.2, "end": 0.5, "score": 0.9}
    segment = {"start": 0.2, "end": 1.0, "text": " Four 4", "words": [aligned, {"word": "4"}]}
    asr.script(Answer(body=json.dumps({"segments": [segment], "language": "en"}).encode()))

    async with client_for(bridge.url) as client:
        verbose = await client.audio.transcriptions.create(
            file=("a.wav", WAV), model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
        )

    assert verbose.words
    assert [(word.word, word.start, word.end) for word in verbose.words] == [("Four", 0.2, 0.5)]


async def test_streams_a_transcript(client: openai.AsyncOpenAI) -> None:
    stream = await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1", stream=True)
    *deltas, done = [event async for event in stream]

    assert all(isinstance(event, TranscriptionTextDeltaEvent) for event in deltas)
    assert "".join(event.delta for event in deltas if event.type == "transcript.text.delta").strip() == SPOKEN
    assert isinstance(done, TranscriptionTextDoneEvent)
    assert done.text == SPOKEN
    assert TranscriptionTextDoneEvent.model_validate(done.model_dump()) == done  # the client itself does not validate


async def test_a_stream_that_fails_raises(client: openai.AsyncOpenAI, speech_whisper: FakeSpeechWhisper) -> None:
    speech_whisper.script(StreamError(after=1))
    stream = await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1", stream=True)

    events = aiter(stream)
    first = await anext(events)
    with pytest.raises(openai.APIError) as raised:
        await anext(events)

    assert first.type == "transcript.text.delta"
    assert raised.value.code == "transcriber_failed"


@of_a_deprecated_method
async def test_translates(start_bridge: StartBridge, openai_chat: FakeOpenAIChat) -> None:
    async with FakeSpeechWhisper(model="small") as whisper:
        bridge = await start_bridge(whisper_url=whisper.url, ollama_url=openai_chat.url, transcriber="openai")
        async with client_for(bridge.url) as client:
            translation = await client.audio.translations.create(file=("a.wav", WAV), model="whisper-1")

    assert translation.text == SPOKEN
    assert [work.path for work in whisper.work] == ["/v1/audio/translations"]


@of_a_deprecated_method
async def test_translates_with_segments(start_bridge: StartBridge, openai_chat: FakeOpenAIChat) -> None:
    async with FakeSpeechWhisper(model="small") as whisper:
        bridge = await start_bridge(whisper_url=whisper.url, ollama_url=openai_chat.url, transcriber="openai")
        async with client_for(bridge.url) as client:
            verbose = await client.audio.translations.create(
                file=("a.wav", WAV), model="whisper-1", response_format="verbose_json"
            )

    assert (verbose.text, verbose.duration) == (SPOKEN, 5.8)
    assert verbose.segments
    assert len(verbose.segments) == 3


# Chat


async def test_completes_a_chat(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    completion = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "What is he like?"}], temperature=0.3
    )

    assert completion.choices[0].message.content == "".join(openai_chat.tokens)
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage
    assert completion.usage.completion_tokens == len(openai_chat.tokens)
    assert openai_chat.work[0].json["temperature"] == 0.3


async def test_streams_a_chat(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    stream = await client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What is he like?"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]

    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == "".join(openai_chat.tokens)
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == len(openai_chat.tokens)


async def test_a_recording_in_a_chat_is_transcribed(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    completion = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": spoken_question(WAV)}]
    )

    assert completion.choices[0].message.content
    guard, message = openai_chat.work[0].json["messages"]
    assert guard == {"role": "system", "content": GUARD}
    assert message["content"].startswith("What is he like?")
    assert f"<transcript>\n{SPOKEN}\n</transcript>" in message["content"]


# Models


async def test_lists_models(client: openai.AsyncOpenAI) -> None:
    models = await client.models.list()

    assert [model.id for model in models.data] == [MODEL, "whisper-1"]


async def test_retrieves_a_model(client: openai.AsyncOpenAI) -> None:
    model = await client.models.retrieve(MODEL)

    assert (model.id, model.object) == (MODEL, "model")


async def test_retrieves_a_model_with_slashes_in_its_name(
    start_bridge: StartBridge, openai_chat: FakeOpenAIChat, speech_whisper: FakeSpeechWhisper
) -> None:
    name = "hf.co/bartowski/SmolLM2:Q4_K_M"
    bridge = await start_bridge(whisper_url=speech_whisper.url, ollama_url=openai_chat.url, models=name)
    async with client_for(bridge.url) as client:
        assert (await client.models.retrieve(name)).id == name


# Errors: each is the exception that a program written for OpenAI expects


async def test_an_unknown_model_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as of_chat:
        await client.chat.completions.create(model="gpt-99", messages=[{"role": "user", "content": "Hello"}])
    with pytest.raises(openai.NotFoundError) as of_speech:
        await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-99")
    with pytest.raises(openai.NotFoundError) as of_models:
        await client.models.retrieve("gpt-99")

    assert [raised.value.code for raised in (of_chat, of_speech, of_models)] == ["model_not_found"] * 3
    assert of_chat.value.param == "model"
    assert of_chat.value.type == "invalid_request_error"
    assert of_chat.value.request_id


async def test_a_file_that_is_not_audio_is_a_bad_request(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.audio.transcriptions.create(file=("a.wav", b"Dear reader, this is text."), model="whisper-1")

    assert raised.value.code == "not_audio"


async def test_an_unknown_language_is_a_bad_request(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1", language="klingon")

    assert (raised.value.code, raised.value.param) == ("unknown_language", "language")


@of_a_deprecated_method
async def test_a_model_that_cannot_translate_is_a_bad_request(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.audio.translations.create(file=("a.wav", WAV), model="whisper-1")

    assert raised.value.code == "unsupported_task"


async def test_messages_without_a_role_are_a_bad_request(client: openai.AsyncOpenAI) -> None:
    messages: Any = [{"content": "Hello"}]

    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(model=MODEL, messages=messages)

    assert (raised.value.code, raised.value.param) == ("bad_field", "messages")


async def test_a_prompt_over_the_context_is_a_bad_request(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "word " * 3000}])

    assert raised.value.code == "context_length_exceeded"


async def test_an_invalid_content_type_and_an_unknown_path_have_openais_format(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as of_type:
        await client.post("/audio/transcriptions", body={"file": "a.wav"}, cast_to=object)
    with pytest.raises(openai.NotFoundError) as of_path:
        await client.embeddings.create(model=MODEL, input="Hello")

    assert (of_type.value.status_code, of_type.value.code) == (415, "unsupported_media_type")
    assert of_path.value.code == "not_found"


async def test_an_unavailable_whisper_is_a_status_error_with_retry_after(
    start_bridge: StartBridge, openai_chat: FakeOpenAIChat
) -> None:
    with refusing_url() as nowhere:
        bridge = await start_bridge(whisper_url=nowhere, ollama_url=openai_chat.url)
        async with client_for(bridge.url) as client:
            with pytest.raises(openai.APIStatusError) as raised:
                await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1")

    assert raised.value.status_code == 503
    assert isinstance(raised.value, openai.InternalServerError)
    assert raised.value.code == "transcriber_unavailable"
    assert int(raised.value.response.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("model", ["gpt-4o-mini-transcribe", "gpt-transcribe", "Whisper-1"])
async def test_the_models_that_frameworks_have_built_in(client: openai.AsyncOpenAI, model: str) -> None:
    assert (await client.audio.transcriptions.create(file=("a.wav", WAV), model=model)).text == SPOKEN


@pytest.mark.parametrize("base", ["/v1/", "/v1/v1", ""])
async def test_base_urls_as_people_write_them(streaming_bridge: Bridge, base: str) -> None:
    async with client_for(streaming_bridge.url) as client:
        client.base_url = f"{streaming_bridge.url}{base}"

        assert (await client.audio.transcriptions.create(file=("a.wav", WAV), model="whisper-1")).text == SPOKEN
        assert await client.models.list()
