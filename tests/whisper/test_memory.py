"""How malloc is tuned."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

_COUNT_ARENAS = """
import ctypes, sys, threading

from speechwhisper import memory

if sys.argv[1] == "tuned":
    memory.tune_malloc()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
everyone = threading.Barrier(4)


def allocate():
    everyone.wait()  # a thread that has ended would leave its arena to the next
    libc.free(ctypes.c_void_p(libc.malloc(100_000)))
    everyone.wait()


threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc.fdopen.restype = ctypes.c_void_p
stdout = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(stdout))  # malloc_info(3): an element per arena
libc.fflush(ctypes.c_void_p(stdout))
"""


def arenas(how: str) -> int:
    program = [sys.executable, "-c", _COUNT_ARENAS, how]
    return subprocess.run(program, check=True, capture_output=True, text=True).stdout.count("<heap nr=")


def test_all_threads_share_one_arena() -> None:
    assert arenas("untouched") > 1, "malloc_info does not show the arenas of threads"
    assert arenas("tuned") == 1
