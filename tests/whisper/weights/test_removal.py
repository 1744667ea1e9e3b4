"""`fetch --remove-others`: what a volume keeps of other models."""

from __future__ import annotations

import errno
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from fakes.model_hub import FILES, ModelHub
from speechwhisper.weights import command, volume_lock
from speechwhisper.weights.errors import DiskFullError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

OTHER, OWN = "Systran--faster-whisper-tiny", "Systran--faster-whisper-tiny.en"
KEPT = {OWN, f".{OWN}.lock"}


@pytest.fixture
def volume(hub: ModelHub, tmp_path: Path) -> Path:
    """A volume that has the weights of `tiny`."""
    into = tmp_path / "volume"
    assert command.main(["tiny", f"--into={into}"], {"HF_ENDPOINT": hub.url}) == 0
    return into


def fetch(hub: ModelHub, into: Path, *options: str) -> int:
    """Fetch `tiny.en`."""
    return command.main(["tiny.en", f"--into={into}", *options], {"HF_ENDPOINT": hub.url})


def names(into: Path) -> set[str]:
    return {path.name for path in into.iterdir()}


def test_weights_of_other_models_stay_unless_asked(hub: ModelHub, volume: Path) -> None:
    assert fetch(hub, volume) == 0

    assert names(volume) >= {OTHER, OWN}


def test_they_are_deleted_once_the_new_ones_are_there(
    hub: ModelHub, volume: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch(hub, volume, "--remove-others") == 0

    assert names(volume) == KEPT
    assert (volume / OWN / "model.bin").read_bytes() == FILES["model.bin"]
    assert f"\ndeleted {volume / OTHER}\n" in capsys.readouterr().err


def test_they_are_deleted_as_well_if_the_new_ones_were_there_before(hub: ModelHub, volume: Path) -> None:
    fetch(hub, volume)

    assert fetch(hub, volume, "--remove-others") == 0

    assert names(volume) == KEPT


def test_they_stay_while_the_new_ones_cannot_be_had(hub: ModelHub, volume: Path) -> None:
    assert command.main(["nobody/nothing", f"--into={volume}", "--remove-others"], {"HF_ENDPOINT": hub.url}) != 0

    assert OTHER in names(volume)


def test_what_an_interrupted_download_has_left_is_deleted(hub: ModelHub, volume: Path) -> None:
    for left in (".company--calls.partial", ".company--calls.old"):
        (volume / left).mkdir()
        (volume / left / "model.bin").write_bytes(b"half")

    assert fetch(hub, volume, "--remove-others") == 0

    assert names(volume) == KEPT


def test_weights_supplied_by_hand_and_other_files_stay(hub: ModelHub, volume: Path, tmp_path: Path) -> None:
    (tmp_path / "usb").mkdir()
    for name, content in FILES.items():
        (tmp_path / "usb" / name).write_bytes(content)
    assert command.main([f"{tmp_path}/usb", "--as=company/calls", f"--into={volume}"], {}) == 0
    (volume / "lost+found").mkdir()

    assert fetch(hub, volume, "--remove-others") == 0

    assert names(volume) == KEPT | {"company--calls", ".company--calls.lock", "lost+found"}


def test_weights_that_another_process_fetches_stay(hub: ModelHub, volume: Path) -> None:
    with volume_lock.held(volume / f".{OTHER}.lock", lambda: None):
        assert fetch(hub, volume, "--remove-others") == 0

        assert OTHER in names(volume)


@pytest.fixture
def small_disk(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no room for the weights of a second model."""
    usage = shutil.disk_usage(volume)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: usage._replace(free=0 if (volume / OTHER).exists() else 1 << 30)
    )


@pytest.mark.usefixtures("small_disk")
def test_they_make_room_for_the_new_ones(hub: ModelHub, volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch(hub, volume) == DiskFullError.status
    assert "has only 0 MB free" in capsys.readouterr().err

    assert fetch(hub, volume, "--remove-others") == 0

    assert names(volume) == KEPT


@pytest.mark.usefixtures("small_disk")
def test_a_model_that_is_not_on_the_hub_takes_no_others_place(hub: ModelHub, volume: Path) -> None:
    assert command.main(["nobody/nothing", f"--into={volume}", "--remove-others"], {"HF_ENDPOINT": hub.url}) != 0

    assert OTHER in names(volume)


def test_what_cannot_be_deleted_is_named_and_no_failure(
    hub: ModelHub, volume: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    fetch(hub, volume)
    monkeypatch.setattr(shutil, "rmtree", refused)

    assert fetch(hub, volume, "--remove-others", "--progress=json") == 0

    assert f'{{"note": "cannot delete {volume / OTHER}: Permission denied"}}' in capsys.readouterr().err
