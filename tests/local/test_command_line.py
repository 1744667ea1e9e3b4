"""The errors of commands for wrong arguments and environments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from speechlocal import paths
from speechlocal.__main__ import COMMANDS, main
from speechlocal.children import free_port
from speechlocal.cluster.commands import stop_command

pytestmark = pytest.mark.unit

VOICE = str(paths.RECORDINGS / "austen-ill-disposed.wav")


def test_help_names_every_command() -> None:
    shown = subprocess.run([sys.executable, "-m", "speechlocal", "--help"], check=True, capture_output=True, text=True)

    assert all(f"  {command} " in shown.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])

    assert left.value.code == 0
    assert f"usage: python -m speechlocal {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["load"],
        ["load", "--url", "http://127.0.0.1:1", "--audio", VOICE, "--runs", "0"],
        ["load", "--url", "http://127.0.0.1:1", "--audio", VOICE, "--concurrency", "many"],
        ["demo", "--volume", "11"],
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)

    assert left.value.code == 2


@pytest.mark.parametrize("command", [["demo"], ["load", "--url", "http://127.0.0.1:1"]])
def test_a_missing_recording_ends_with_2(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--audio", "/no/such/voice.wav"]) == 2
    said = capsys.readouterr()
    assert "cannot read the recording /no/such/voice.wav: No such file" in said.err
    assert "what to do: name an audio file" in said.err
    assert said.out == ""


def test_an_address_without_scheme_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "--url", "localhost:8080", "--audio", VOICE]) == 2
    assert "is not an address" in capsys.readouterr().err


def test_another_model_needs_an_ollama(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("OLLAMA_URL", raising=False)

    assert main(["demo", "--audio", VOICE, "--model", "llama3"]) == 2
    assert "OLLAMA_URL=http://127.0.0.1:11434 MODEL=llama3 make demo" in capsys.readouterr().err


def test_an_unreachable_ollama_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("OLLAMA_URL", url)

    assert main(["demo", "--audio", VOICE]) == 2
    assert f"no Ollama answers on OLLAMA_URL={url}" in capsys.readouterr().err


def test_load_against_a_closed_port_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["load", "--url", f"http://127.0.0.1:{free_port()}", "--audio", VOICE, "--runs", "3"]) == 1
    assert "failed: 3 times connect: cannot connect to" in capsys.readouterr().out


def test_recordings_come_with_their_transcripts() -> None:
    recordings = sorted(paths.RECORDINGS.glob("*.wav"))

    assert recordings
    assert all(recording.with_suffix(".txt").read_text().strip() for recording in recordings)
    assert all(recording.name in Path(paths.RECORDINGS / "README.md").read_text() for recording in recordings)


@pytest.mark.parametrize(("name", "command"), [("speechpipeline", ""), ("mine", " NAME=mine")])
def test_the_command_that_deletes_a_cluster_names_it(name: str, command: str) -> None:
    assert stop_command(name) == f"make cluster-down{command}"
