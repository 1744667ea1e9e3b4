"""Start a program on a free loopback port, wait until it is ready, read what it used, stop it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from speechlocal import pdeathsig

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

HOST = "127.0.0.1"
PORT = "{port}"
READY_WITHIN = 60.0  # seconds
STOP_WITHIN = 10.0  # seconds
POLL = 0.05  # seconds
CPUCLOCK_SCHED = 2  # Linux: the low bits of the id of a process's CPU clock, see clock_getcpuclockid(3)


class StartError(Exception):
    """A program did not become ready; the text holds the end of its log."""


@dataclass(frozen=True)
class Program:
    """What to start: its name in the report, the command, its settings, and the path that answers 200 when ready.

    Where `PORT` stands in the command or in a setting, it becomes the port.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    ready_path: str


class Process:
    """A running program; as a context manager, it is stopped on exit in any case."""

    def __init__(self, program: Program, folder: Path, cores: set[int]) -> None:
        self.name = program.name
        self.port = free_port()
        self._log = folder / f"{program.name}-{self.port}.log"
        # nothing outlives the benchmark, even when it is killed
        launcher = [sys.executable, pdeathsig.__file__, str(os.getpid())]
        command = launcher + [word.replace(PORT, str(self.port)) for word in program.command]
        settings = {name: value.replace(PORT, str(self.port)) for name, value in program.environment.items()}
        with self._log.open("wb") as log, on_cores(cores):  # a child inherits the cores, before its runtime counts them
            self._child = subprocess.Popen(
                command, env={**os.environ, **settings}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
            )
        try:
            self._wait_until_ready(program.ready_path)
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The program's address, without a path."""
        return f"http://{HOST}:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time of the process and of its children."""
        return cpu_seconds(self._child.pid)

    def peak_memory(self) -> int:
        """Peak resident bytes of the process and its children, each at its own peak."""
        return sum(status_bytes(pid, "VmHWM") for pid in family(self._child.pid))

    def reset_peak_memory(self) -> None:
        """Let the peak begin at what is resident now."""
        for pid in family(self._child.pid):
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): resets VmHWM

    def memory(self) -> int:
        """Bytes resident now."""
        return sum(status_bytes(pid, "VmRSS") for pid in family(self._child.pid))

    def log_lines(self) -> int:
        """How many lines the program has logged so far."""
        return self._log.read_bytes().count(b"\n")

    def suspend(self) -> None:
        """Let the process not run until `resume`, as if its CPU quota were used up."""
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process run again."""
        self._child.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop the process: SIGTERM, then SIGKILL."""
        if self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _wait_until_ready(self, path: str) -> None:
        deadline = time.monotonic() + READY_WITHIN
        reason = "no response yet"
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                reason = f"it exited with code {self._child.returncode}"
                break
            try:
                status, body = get(self.port, path)
            except OSError as error:
                reason = str(error)
            else:
                if status == http.client.OK:
                    return
                reason = f"GET {path}: {status} {body[:200].decode(errors='replace')}"
            time.sleep(POLL)
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        raise StartError(f"{self.name} did not become ready: {reason}\n{tail}")


def get(port: int, path: str) -> tuple[int, bytes]:
    """Ask a program of ours for a page: status and body."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def free_port() -> int:
    """A free loopback port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """CPU time, user and system, of all threads of a process and of its descendants, to the nanosecond."""
    return sum(time.clock_gettime((~one << 3) | CPUCLOCK_SCHED) for one in family(pid))


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def status_bytes(pid: int, field: str) -> int:
    """A field of /proc/PID/status, which gives kB, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise KeyError(field)


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Run this thread, and what it starts, on the given cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
