"""A lock on a volume that several processes, pods or nodes share.

The kernel's `flock` ends with its holder, but not if that was on a node that is gone: a server of NFSv3 keeps its lock.
Some network file systems refuse `flock`: there, the existence of a file serves. In both cases the holder touches the
file, and one that has not been touched for a while is from a dead holder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from speechwhisper.weights.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOUCH_S = 10.0
STALE_S = 60.0
"""Seconds without a touch after which the holder of a lock file is taken for dead. They are measured by the waiting
process, because the clocks of the file server and of other nodes may differ."""
_POLL_S = 1.0
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


@contextmanager
def held(path: Path, waiting: Callable[[], None], pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Hold the lock during the `with` block.

    Args:
        path: The lock file. It stays, except where flock is not supported.
        waiting: Called again and again while another process holds the lock.
        pause: Waits so many seconds.

    Raises:
        FetchError: The lock is not released, although its holder seems dead.
        OSError: The file cannot be created.
    """
    supported, locked = True, False
    while supported and not locked:
        with path.open("ab") as file:
            try:
                locked = _flock(file.fileno(), path, waiting, pause)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                supported = False
            if locked:
                with _touching(file.fileno()):
                    yield  # closing the file releases the lock
    if not supported:
        with _held_file(path.with_suffix(".held"), waiting, pause):
            yield


class _Holder:
    """What a waiting process knows about the holder of a lock.

    Args:
        file: What the holder touches: a path, or the descriptor of an open file.
    """

    def __init__(self, file: int | Path) -> None:
        self._file = file
        self._touched, self._since = -1, 0.0

    def seems_dead(self) -> bool:
        """Return whether the file has not been touched for long, as far as earlier calls have seen."""
        now, latest = time.monotonic(), _touched(self._file)
        if latest != self._touched:
            self._touched, self._since = latest, now
        return now - self._since >= STALE_S


def _flock(descriptor: int, path: Path, waiting: Callable[[], None], pause: Callable[[float], None]) -> bool:
    """Wait for the lock; return whether it is that of the path, whose file may be deleted meanwhile."""
    holder = _Holder(descriptor)
    while _is_at(path, descriptor):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            if holder.seems_dead():
                raise FetchError(
                    f"{path} is locked, but its holder has shown no sign of life for {STALE_S:.0f} s; its node may be "
                    "gone. If no other process fetches these weights, delete this file"
                ) from None
            pause(_POLL_S)
        else:
            return _is_at(path, descriptor)
    return False


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def _held_file(path: Path, waiting: Callable[[], None], pause: Callable[[float], None]) -> Iterator[None]:
    holder = _Holder(path)
    while not _create(path):
        waiting()
        if holder.seems_dead():
            path.unlink(missing_ok=True)
            holder = _Holder(path)
            continue
        pause(_POLL_S)
    try:
        with _touching(path):
            yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _touching(file: int | Path) -> Iterator[None]:
    """Touch a file now and again and again during the `with` block."""
    released = threading.Event()
    toucher = threading.Thread(target=_touch, args=(file, released), daemon=True)
    toucher.start()
    try:
        yield
    finally:
        released.set()
        toucher.join()


def _create(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _touched(file: int | Path) -> int:
    """Return when a file was touched, in nanoseconds of the file server's clock; 0 if it is gone."""
    try:
        return os.stat(file).st_mtime_ns  # noqa: PTH116 - also of a descriptor
    except FileNotFoundError:
        return 0


def _touch(file: int | Path, released: threading.Event) -> None:
    while True:
        try:
            os.utime(file)
        except FileNotFoundError:
            return  # another process took this one for dead
        except OSError:
            pass  # a fault of the network may pass
        if released.wait(TOUCH_S):
            return
