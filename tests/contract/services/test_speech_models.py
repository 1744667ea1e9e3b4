"""Both HTTP services know the Whisper model by the same names, though they share no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import speechbridge.intake.speech_models
import speechbridge.settings
import speechwhisper.intake.speech_models
import speechwhisper.settings

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.unit


@pytest.fixture(
    params=[speechbridge.intake.speech_models, speechwhisper.intake.speech_models], ids=["bridge", "whisper"]
)
def speech_models(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.mark.parametrize(
    "name",
    [
        "whisper-1",
        "WHISPER-1",
        "whisper",
        "openai/whisper-1",
        "gpt-transcribe",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
    ],
)
def test_names_of_openai_mean_any_model(speech_models: ModuleType, name: str) -> None:
    assert speech_models.is_served(name, ["small"])


@pytest.mark.parametrize(
    ("served", "name"),
    [
        ("small", "Small"),
        ("small", "Systran/faster-whisper-small"),
        ("small", "openai/whisper-small"),
        ("Systran/faster-whisper-small", "small"),
        ("/models/tiny.en", "tiny.en"),
        ("tiny.en", "Systran/faster-whisper-tiny.en"),
        ("large-v3", "large"),
        ("turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo"),
        ("distil-large-v3", "Systran/faster-distil-whisper-large-v3"),
        ("speech", "SPEECH"),
        ("*", "anything"),
    ],
)
def test_a_model_is_known_by_its_size_and_by_its_names_on_the_hub(
    speech_models: ModuleType, served: str, name: str
) -> None:
    assert speech_models.is_served(name, ["other", served])


@pytest.mark.parametrize(
    "name",
    [
        "gpt-9",
        "gpt-4o",
        "gpt-4o-transcribe-diarize",
        "large-v3",
        "small.en",
        "medium",
        "smallest",
        "faster",
        "-",
        "tts-1",
    ],
)
def test_other_names_are_refused(speech_models: ModuleType, name: str) -> None:
    assert not speech_models.is_served(name, ["small"])


@pytest.mark.parametrize("service", [speechbridge, speechwhisper])
def test_aliases_are_a_list_with_commas(service: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert service.settings.Settings().whisper_model_aliases == ()

    monkeypatch.setenv("WHISPER_MODEL_ALIASES", "tiny, our-speech,")

    assert service.settings.Settings().whisper_model_aliases == ("tiny", "our-speech")
