"""One process at a time holds the lock of a volume, also where the file system has no flock."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from speechwhisper.weights import volume_lock
from speechwhisper.weights.volume_lock import held

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


class EndOfWaitError(Exception):
    """Ends a test that would wait."""


def give_up() -> None:
    raise EndOfWaitError


@pytest.fixture(params=["flock", "file"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    kind: str = request.param
    if kind == "file":

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")  # as NFSv3 without lockd

        monkeypatch.setattr(fcntl, "flock", refuse)
    return kind


@pytest.mark.usefixtures("kind")
def test_a_second_holder_waits_until_the_first_is_done(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with held(path, give_up), pytest.raises(EndOfWaitError), held(path, give_up):
        pytest.fail("both hold it")
    with held(path, give_up):
        pass


@pytest.mark.usefixtures("kind")
def test_an_error_releases_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with pytest.raises(ZeroDivisionError), held(path, give_up):
        raise ZeroDivisionError
    with held(path, give_up):
        pass


def test_another_error_of_the_file_system_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output error"), held(tmp_path / "x.lock", give_up):
        pytest.fail("held without a lock")


@pytest.mark.parametrize("kind", ["file"], indirect=True)
@pytest.mark.usefixtures("kind")
def test_a_lock_file_that_is_not_touched_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time is that of the waiting process: the clock of the file server may be hours ahead."""
    now, touches = [0.0], [10**18, 2 * 10**18, 2 * 10**18]
    monkeypatch.setattr(volume_lock.time, "monotonic", lambda: now[0])
    dead = tmp_path / "x.held"
    dead.touch()
    os.utime(dead, ns=(touches[0], touches[0]))

    def pause(_: float) -> None:
        if touches:
            latest = touches.pop(0)
            os.utime(dead, ns=(latest, latest))
        now[0] += volume_lock.STALE_S / 2

    waited: list[float] = []
    with held(tmp_path / "x.lock", lambda: waited.append(now[0]), pause):
        assert now[0] >= 2 * volume_lock.STALE_S
    assert waited[0] == 0
    assert not dead.exists()
