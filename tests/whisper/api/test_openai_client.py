"""OpenAI's own client against the real server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import openai
import pytest

from spoken import words

if TYPE_CHECKING:
    from whisper.conftest import RunningServer

pytestmark = pytest.mark.component

Recordings = dict[str, tuple[Path, str]]


@pytest.fixture
def client(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


@pytest.fixture
def recording(recordings: Recordings) -> Path:
    return recordings["austen-ill-disposed"][0]


def test_a_transcription(client: openai.OpenAI, recording: Path) -> None:
    with client:
        answer = client.audio.transcriptions.create(model="whisper-1", file=recording)

    assert "selfish" in words(answer.text)
    assert answer.usage is not None
    assert answer.usage.type == "duration"
    assert answer.usage.seconds == 6


@pytest.mark.parametrize("kind", ["text", "srt", "vtt"])
def test_text_formats(client: openai.OpenAI, recording: Path, kind: str) -> None:
    with client:
        answer = client.audio.transcriptions.create(model="tiny.en", file=recording, response_format=kind)

    assert isinstance(answer, str)
    assert "selfish" in words(answer)


def test_verbose_json_with_words(client: openai.OpenAI, recording: Path) -> None:
    with client:
        answer = client.audio.transcriptions.create(
            model="tiny.en",
            file=recording,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            prompt="Jane Austen.",
            language="en",
            temperature=0,
        )

    assert answer.duration == pytest.approx(5.3)
    assert answer.segments is not None
    assert answer.segments[0].start == pytest.approx(0, abs=0.5)
    assert answer.words is not None
    assert words(answer.words[0].word) == ["unless"]


def test_a_stream(client: openai.OpenAI, recording: Path) -> None:
    with client, client.audio.transcriptions.create(model="tiny.en", file=recording, stream=True) as stream:
        *deltas, done = list(stream)

    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert done.type == "transcript.text.done"
    assert done.text == "".join(event.delta for event in deltas).strip()


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI's own service drops the route
def test_a_translation_is_refused_by_an_english_model(client: openai.OpenAI, recording: Path) -> None:
    with client, pytest.raises(openai.BadRequestError) as caught:
        client.audio.translations.create(model="tiny.en", file=recording)

    assert caught.value.code == "unsupported_task"


def test_errors_are_the_clients_own_kinds(client: openai.OpenAI, recording: Path) -> None:
    with client:
        with pytest.raises(openai.NotFoundError) as unknown:
            client.audio.transcriptions.create(model="gpt-9", file=recording)
        with pytest.raises(openai.BadRequestError) as text:
            client.audio.transcriptions.create(model="tiny.en", file=Path(__file__))
        with pytest.raises(openai.BadRequestError) as language:
            client.audio.transcriptions.create(model="tiny.en", file=recording, language="fr")

    assert unknown.value.code == "model_not_found"
    assert text.value.code == "not_audio"
    assert (language.value.code, language.value.param) == ("unknown_language", "language")


def test_models_are_listed(client: openai.OpenAI) -> None:
    with client:
        assert [model.id for model in client.models.list()] == ["tiny.en"]
        assert client.models.retrieve("tiny.en").id == "tiny.en"
