"""A lock on a volume that several processes, pods or nodes share.

The kernel's `flock` ends with its holder. Some network file systems refuse it: there, a file that its holder touches
serves, and a file that has not been touched for a while is from a dead holder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
        OSError: The file cannot be created.
    """
    with path.open("ab") as file:
        try:
            _flock(file.fileno(), waiting, pause)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        else:
            yield  # closing the file releases the lock
            return
    with _held_file(path.with_suffix(".held"), waiting, pause):
        yield


def _flock(descriptor: int, waiting: Callable[[], None], pause: Callable[[float], None]) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            pause(_POLL_S)
        else:
            return


@contextmanager
def _held_file(path: Path, waiting: Callable[[], None], pause: Callable[[float], None]) -> Iterator[None]:
    touched, since = -1, 0.0
    while not _create(path):
        waiting()
        now, latest = time.monotonic(), _touched(path)
        if latest != touched:
            touched, since = latest, now
        elif now - since >= STALE_S:
            path.unlink(missing_ok=True)
            continue
        pause(_POLL_S)
    released = threading.Event()
    toucher = threading.Thread(target=_touch, args=(path, released), daemon=True)
    toucher.start()
    try:
        yield
    finally:
        released.set()
        toucher.join()
        path.unlink(missing_ok=True)


def _create(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _touched(path: Path) -> int:
    """Return when a file was touched, in nanoseconds of the file server's clock; 0 if it is gone."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _touch(path: Path, released: threading.Event) -> None:
    while not released.wait(TOUCH_S):
        try:
            os.utime(path)
        except OSError:
            return  # another process took this one for dead
