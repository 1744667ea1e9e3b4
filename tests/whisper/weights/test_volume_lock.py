"""One process at a time holds the lock of a volume, also where the file system has no flock."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING

import pytest

from speechwhisper.weights import volume_lock
from speechwhisper.weights.errors import FetchError
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


@pytest.mark.parametrize(("kind", "name"), [("flock", "x.lock"), ("file", "x.held")], indirect=["kind"])
@pytest.mark.usefixtures("kind")
def test_a_holder_shows_that_it_is_alive(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_lock, "TOUCH_S", 0.01)
    with held(tmp_path / "x.lock", give_up):
        for _ in range(3):
            os.utime(tmp_path / name, ns=(0, 0))
            deadline = time.monotonic() + 10
            while not (tmp_path / name).stat().st_mtime_ns:
                assert time.monotonic() < deadline
                time.sleep(0.001)


def test_a_lock_whose_holder_never_returns_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of NFSv3 keeps the lock of a node that is gone."""
    now, touches = [0.0], [10**18, 2 * 10**18]
    monkeypatch.setattr(volume_lock.time, "monotonic", lambda: now[0])
    path = tmp_path / "x.lock"

    def pause(_: float) -> None:
        if touches:
            latest = touches.pop(0)
            os.utime(path, ns=(latest, latest))
        now[0] += volume_lock.STALE_S / 2
        assert now[0] < 10 * volume_lock.STALE_S

    words = r"x\.lock is locked, but its holder has shown no sign of life for 60 s; .* delete this file"
    with path.open("ab") as dead:
        fcntl.flock(dead, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match=words), held(path, lambda: None, pause):
            pytest.fail("held by two")
    assert now[0] >= 2 * volume_lock.STALE_S


def test_a_waiting_process_sees_that_the_file_was_deleted(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with path.open("ab") as dead:
        fcntl.flock(dead, fcntl.LOCK_EX)
        with (
            held(path, lambda: None, lambda _: path.unlink()),
            pytest.raises(EndOfWaitError),
            held(path, give_up),  # which opens the new file
        ):
            pytest.fail("held by two")
