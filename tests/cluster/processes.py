"""Programs that a test session keeps running: tied to it, logged to a file, waited for by a condition."""

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path

from speechlocal import pdeathsig
from speechlocal.children import base_environment

SHOWN_LOG_LINES = 25
POLL_S = 0.02


class StartError(Exception):
    """A program did not come up; the text holds the end of its log."""


class Process:
    """A program with its log in `folder`. It can be ended and started again; it dies with the session at the latest."""

    def __init__(
        self, name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = command
        self._environment = {**base_environment(), **(environment or {})}
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child.pid

    def start(self) -> None:
        """Start it; its log goes on where an earlier run's ended."""
        if self.exit_code() is None and self._child is not None:
            raise RuntimeError(f"{self.name} runs already")
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", pdeathsig.__file__, str(os.getpid()), *self._command],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def exit_code(self) -> int | None:
        """None while it runs (and before it was started)."""
        return self._child.poll() if self._child else None

    def wait_until(self, condition: Callable[[], bool], within_s: float = 60.0) -> None:
        """Wait until `condition` holds.

        Raises:
            StartError: the program ended before, or time is up.
        """
        deadline = time.monotonic() + within_s
        while not condition():
            if self.exit_code() is not None:
                raise StartError(f"{self.name} ended with code {self.exit_code()}\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} is not ready after {within_s:.0f} s\n{self.last_lines()}")
            time.sleep(POLL_S)

    def stop(self, number: signal.Signals = signal.SIGTERM, within_s: float = 15.0) -> int | None:
        """End it with a signal, by force after `within_s`; the exit code."""
        if self._child is None:
            return None
        if self._child.poll() is None:
            self._child.send_signal(number)
        try:
            return self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def last_lines(self, count: int = SHOWN_LOG_LINES) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"  | {line[:400]}" for line in lines[-count:])


def answers(url: str, trust: ssl.SSLContext | None = None) -> bool:
    """Tell whether a GET of `url` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2, context=trust) as answer:  # noqa: S310 - a loopback address
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False
