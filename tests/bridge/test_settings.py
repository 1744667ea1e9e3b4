"""Settings come from the environment, `--help` lists all, and errors are one line each."""

import pytest

from speechbridge import __main__ as program
from speechbridge.settings import Settings

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr("sys.argv", ["speechbridge"])
    monkeypatch.setattr(program, "serve", lambda _: pytest.fail("the settings were taken"))


def test_the_older_bridges_names_and_defaults_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings().server_port, Settings().max_concurrent_requests, Settings().request_timeout) == (8080, 50, 300)
    monkeypatch.setenv("WHISPER_URL", "http://w:1/")
    monkeypatch.setenv("OLLAMA_URL", "https://o/base/")
    monkeypatch.setenv("MAX_CONCURRENT_REQUESTS", "7")
    monkeypatch.setenv("SERVER_PORT", "81")
    monkeypatch.setenv("REQUEST_TIMEOUT", "12.5")

    settings = Settings()

    assert (settings.whisper_url, settings.ollama_url) == ("http://w:1", "https://o/base")
    assert (settings.max_concurrent_requests, settings.server_port, settings.request_timeout) == (7, 81, 12.5)


@pytest.mark.parametrize(
    ("value", "models"),
    [("", ()), ("llama3", ("llama3",)), (" llama3 , qwen3:4b,, ", ("llama3", "qwen3:4b"))],
)
def test_models_are_a_list(monkeypatch: pytest.MonkeyPatch, value: str, models: tuple[str, ...]) -> None:
    monkeypatch.setenv("MODELS", value)

    assert Settings().models == models


@pytest.mark.parametrize("value", ["warning", "WARNING", "Warning"])
def test_the_log_level_is_not_case_sensitive(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", value)

    assert Settings().log_level == "warning"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHISPER_URL", "whisper:9000"),
        ("WHISPER_URL", ""),
        ("OLLAMA_URL", "ftp://ollama"),
        ("OLLAMA_URL", "http://"),
        ("OLLAMA_URL", "http://ollama:port"),
        ("OLLAMA_URL", "http://ollama:99999"),
        ("OLLAMA_URL", "http://a..b"),
        ("TRANSCRIBER", "google"),
        ("MODEL_OPTIONS", "num_ctx=4096"),
        ("GENERATOR", "openapi"),
        ("SERVER_PORT", "eighty"),
        ("SERVER_PORT", "65536"),
        ("MAX_CONCURRENT_REQUESTS", "0"),
        ("REQUEST_TIMEOUT", "-1"),
        ("REQUEST_TIMEOUT", "nan"),
        ("REQUEST_TIMEOUT", "inf"),
        ("MAX_UPLOAD_BYTES", "1.5"),
        ("LOG_LEVEL", "loud"),
        ("PROMPT_PREFILL", "perhaps"),
    ],
)
def test_an_invalid_setting_is_reported_and_the_exit_code_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    assert program.main() == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: ")
    assert value in lines[0]


def test_all_invalid_settings_are_reported_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SERVER_PORT", "eighty")
    monkeypatch.setenv("LOG_LEVEL", "loud")

    assert program.main() == 2

    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["SERVER_PORT", "LOG_LEVEL"]


def test_help_lists_every_setting_with_its_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["speechbridge", "--help"])

    with pytest.raises(SystemExit) as left:
        program.main()

    assert left.value.code == 0
    listed = " ".join(capsys.readouterr().out.split())
    for name, field in Settings.model_fields.items():
        assert f" {name.upper()} {field.description} (default: " in listed
    assert f"PROMPT_PREFILL {Settings.model_fields['prompt_prefill'].description} (default: true)" in listed
