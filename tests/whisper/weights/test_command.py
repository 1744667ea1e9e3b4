"""`python -m speechwhisper fetch`: arguments, exit status, and what is said where."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from fakes.model_hub import FILES, ModelHub
from speechwhisper.__main__ import main
from speechwhisper.weights import command

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def test_it_prints_the_folder_and_reports_on_stderr(
    hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)

    assert main(["fetch", "tiny", "--into", str(tmp_path), "--progress", "json", "--progress-port", "0"]) == 0

    said = capsys.readouterr()
    assert said.out == f"{tmp_path}/Systran--faster-whisper-tiny\n"
    assert json.loads(said.err.splitlines()[-1])["stage"] == "ready"


def test_the_folder_defaults_to_that_of_the_server(hub: ModelHub, tmp_path: Path) -> None:
    environment = {"HF_ENDPOINT": hub.url, "WHISPER_DOWNLOAD_ROOT": str(tmp_path)}

    assert command.main(["tiny"], environment) == 0
    assert (tmp_path / "Systran--faster-whisper-tiny" / "model.bin").read_bytes() == FILES["model.bin"]


def test_an_error_is_said_on_stderr_and_where_the_kubelet_reads_it(
    hub: ModelHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "termination-log"
    arguments = ["nobody/nothing", f"--into={tmp_path}", f"--termination-log={log}"]

    assert command.main(arguments, {"HF_ENDPOINT": hub.url}) == 3

    assert log.read_text().startswith(f"nobody/nothing at {hub.url} does not exist")
    assert capsys.readouterr().err.endswith(f"error: {log.read_text()}")


def test_a_local_folder_is_copied_under_the_name_of_its_model(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    for name, content in FILES.items():
        (tmp_path / "share" / name).write_bytes(content)

    assert command.main([f"{tmp_path}/share", f"--into={tmp_path}/cache", "--as=small"], {}) == 0
    assert command.main([f"{tmp_path}/share", f"--into={tmp_path}/cache"], {}) == 0

    found = {path.name for path in (tmp_path / "cache").iterdir() if not path.name.startswith(".")}
    assert found == {"Systran--faster-whisper-small", "share"}


def test_a_relative_path_of_weights_is_no_name_on_the_hub(
    hub: ModelHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usb" / "calls").mkdir(parents=True)
    for name, content in FILES.items():
        (tmp_path / "usb" / "calls" / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)

    assert command.main(["usb/calls", "--into=cache"], {"HF_ENDPOINT": hub.url}) == 0

    assert (tmp_path / "cache" / "calls" / "model.bin").read_bytes() == FILES["model.bin"]
    assert hub.requests == []


@pytest.fixture
def share(tmp_path: Path) -> Path:
    """A folder with fine-tuned weights, as on a mounted disk."""
    folder = tmp_path / "usb" / "tiny"
    folder.mkdir(parents=True)
    for name, content in {**FILES, "model.bin": b"fine-tuned"}.items():
        (folder / name).write_bytes(content)
    return folder


def volume(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("model", ["tiny", "company/calls", "calls"])
@pytest.mark.parametrize("offline", ["0", "1"])
def test_weights_supplied_by_hand_are_used_and_kept(
    model: str, offline: str, hub: ModelHub, share: Path, tmp_path: Path
) -> None:
    """The command of docs/how-to/closed-networks.md, then that of the init container."""
    into, log = tmp_path / "weights", tmp_path / "termination-log"
    assert command.main([str(share), "--as", model, "--into", str(into)], {}) == 0
    before = volume(into)

    init = ["fetch", model, f"--into={into}", "--progress-port=0", f"--termination-log={log}"]
    assert command.main(init[1:], {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": offline}) == 0

    assert volume(into) == before
    assert b"fine-tuned" in before.values()
    assert hub.requests == []


def test_damaged_weights_from_a_folder_are_not_replaced_by_those_of_a_hub(
    hub: ModelHub, share: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    into, model = tmp_path / "weights", tmp_path / "weights" / "Systran--faster-whisper-tiny" / "model.bin"
    assert command.main([str(share), "--as=tiny", f"--into={into}"], {}) == 0
    model.write_bytes(b"fine")

    assert command.main(["tiny", f"--into={into}"], {"HF_ENDPOINT": hub.url}) == 1
    assert f"{model} is damaged: fetch the weights from {share} again, or delete" in capsys.readouterr().err
    assert hub.requests == []

    assert command.main([str(share), "--as=tiny", f"--into={into}"], {}) == 0
    assert model.read_bytes() == b"fine-tuned"


@pytest.mark.parametrize("arguments", [["tiny"], ["..", "--into=/tmp"], []])
def test_missing_arguments_are_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments, {})
    assert "error:" in capsys.readouterr().err


def test_help_lists_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"], {})
    said = capsys.readouterr().out
    assert "3  unknown model or revision" in said
    assert "HF_TOKEN_PATH" in said
