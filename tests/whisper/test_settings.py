from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from speechwhisper.__main__ import settings_help
from speechwhisper.settings import Settings

pytestmark = pytest.mark.unit


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_MODEL", "large-v3")
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "1000")
    monkeypatch.setenv("WHISPER_VAD_FILTER", "true")
    monkeypatch.setenv("WHISPER_BATCH_SIZE", "")

    settings = Settings()

    assert settings.whisper_model == "large-v3"
    assert settings.max_upload_bytes == 1000
    assert settings.whisper_vad_filter
    assert settings.whisper_batch_size == 0


@pytest.mark.parametrize(("value", "size"), [(None, 0), ("auto", 0), ("0", 0), ("16", 16)])
def test_the_batch_size_is_a_number_or_automatic(monkeypatch: pytest.MonkeyPatch, value: str | None, size: int) -> None:
    if value is not None:
        monkeypatch.setenv("WHISPER_BATCH_SIZE", value)

    assert Settings().whisper_batch_size == size


@pytest.mark.parametrize(
    ("model", "name", "expected"),
    [
        ("small", "", "small"),
        ("Systran/faster-whisper-small", "", "faster-whisper-small"),
        ("/models/tiny.en/", "", "tiny.en"),
        ("/models/tiny.en", "mine", "mine"),
    ],
)
def test_the_models_name_is_the_last_part_of_its_source(model: str, name: str, expected: str) -> None:
    assert Settings(whisper_model=model, whisper_model_name=name).model_name == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"server_port": 70000},
        {"whisper_concurrency": 0},
        {"whisper_batch_size": "large"},
        {"whisper_batch_size": -1},
        {"whisper_device": "abacus"},
        {"log_level": "LOUD"},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)


@pytest.mark.parametrize("value", ["inf", "nan"])
@pytest.mark.parametrize("name", [name for name, field in Settings.model_fields.items() if field.annotation is float])
def test_a_number_that_is_not_finite_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name.upper(), value)

    with pytest.raises(ValidationError, match="finite"):
        Settings()


@pytest.mark.parametrize("level", ["warning", "WARNING", "Warning"])
def test_the_log_level_may_be_written_in_any_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)

    assert Settings().log_level == "warning"


def test_help_lists_every_setting_with_its_default_and_unit() -> None:
    text = settings_help()

    for name in Settings.model_fields:
        assert f"  {name.upper()}\n" in text
    assert "maximum size of an audio file (default: 536870912 bytes)" in text
    assert (
        "time that requests in flight may take after SIGTERM, until their responses are sent (default: 300.0 s)" in text
    )


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "speechwhisper", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_is_printed_and_succeeds() -> None:
    result = run("--help")

    assert result.returncode == 0
    assert "WHISPER_MODEL" in result.stdout


def test_an_unknown_argument_shows_the_help_and_fails() -> None:
    assert run("--port=1").returncode == 2


def test_a_wrong_setting_is_named_and_fails() -> None:
    result = run(SERVER_PORT="never")

    assert result.returncode == 2
    assert "SERVER_PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_model_folder_says_what_to_do() -> None:
    result = run(WHISPER_MODEL="/nowhere/model")

    assert result.returncode == 1
    assert "folder not found" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_unknown_model_says_what_to_do() -> None:
    result = run(WHISPER_MODEL="gigantic")

    assert result.returncode == 1
    assert "What to do:" in result.stderr
    assert "large-v3" in result.stderr
    assert "Traceback" not in result.stderr
