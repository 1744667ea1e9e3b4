"""The options in the fields of `/process`: every one is read, and a form without any is not searched for them."""

import pytest

from speechbridge.api import generation_fields
from speechbridge.api.generation_fields import generation_options
from speechbridge.api.process import WHISPER_FIELDS, transcription_options
from speechbridge.generators.options import GenerationOptions
from speechbridge.intake import fields
from speechbridge.transcribers.port import TranscriptionOptions

pytestmark = pytest.mark.unit

OTHERS = {"prompt": ["Summarise:"], "model": ["llama3"], "stream": ["true"], "system": ["Be brief."]}
WHISPER = {
    "audio_track": "1",
    "channels": "separate",
    "hotwords": "Ada",
    "initial_prompt": "Hello.",
    "language": "de",
    "task": "translate",
    "vad_filter": "true",
    "vocabulary": "Ada",
    "whisper_temperature": "0.5",
}
MODEL = {
    "temperature": "0.5",
    "max_tokens": "100",
    "seed": "7",
    "stop": "END",
    "response_format": "json_object",
    "keep_alive": "5m",
    "think": "true",
}


def test_without_options_whisper_and_the_model_get_their_defaults() -> None:
    assert transcription_options(OTHERS) == TranscriptionOptions()
    assert generation_options(OTHERS, ollama=True) == GenerationOptions()


def test_every_field_that_a_form_keeps_is_an_option_or_none() -> None:
    of_transcripts = {"timestamp_granularities"}

    assert WHISPER_FIELDS | generation_fields.FIELDS | OTHERS.keys() | of_transcripts == fields.FIELD_NAMES


def test_these_tests_know_all_fields() -> None:
    assert WHISPER.keys() == WHISPER_FIELDS
    assert MODEL.keys() == generation_fields.FIELDS


@pytest.mark.parametrize("name", WHISPER)
def test_each_option_of_whisper_is_read_if_it_is_the_only_one(name: str) -> None:
    assert transcription_options({**OTHERS, name: [WHISPER[name]]}) != TranscriptionOptions()


@pytest.mark.parametrize("name", MODEL)
def test_each_option_of_the_model_is_read_if_it_is_the_only_one(name: str) -> None:
    assert generation_options({**OTHERS, name: [MODEL[name]]}, ollama=True) != GenerationOptions()
