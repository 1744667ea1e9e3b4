"""The three services: their packages, how each is started alone, and its tables and documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from repository import ROOT
from speechlocal.children import free_port

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping
    from types import ModuleType

DEADLINE_S = 30.0
"""For a process to start or end on a busy machine."""

LAUNCH = Path(__file__).with_name("launch.py")

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{{name: nowhere, context: {{cluster: nowhere, user: somebody}}}}]
clusters: [{{name: nowhere, cluster: {{server: "{url}"}}}}]
users: [{{name: somebody, user: {{}}}}]
"""


@dataclass(frozen=True)
class Program:
    """A service as its users start it.

    Attributes:
        package: Its package, which is also the prefix of its metrics.
        arguments: The arguments with which it serves.
        errors_page: The reference page of its error codes.
        needs: The settings without which it does not start; `{url}` is an address at which nothing listens.
    """

    package: str
    errors_page: str
    arguments: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)

    def module(self, name: str) -> ModuleType:
        return import_module(f"{self.package}.{name}")

    @property
    def settings(self) -> Any:
        """The class of its settings."""
        return self.module("settings").Settings

    def environment(self, folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
        url = f"http://127.0.0.1:{free_port()}"
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG.format(url=url), encoding="utf-8")
        needs = {name: value.format(url=url, kubeconfig=kubeconfig) for name, value in self.needs.items()}
        own = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT / "tests")}
        return {**own, "SERVER_PORT": "0", **needs, **settings}

    def run(self, folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            [sys.executable, "-m", self.package, *arguments],
            env=self.environment(folder, settings),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    @contextmanager
    def serving(self, folder: Path, *options: str, **settings: str) -> Iterator[Process]:
        """Run it until the block ends."""
        log = folder / "log"
        with log.open("wb") as stderr:
            child = subprocess.Popen(
                [sys.executable, str(LAUNCH), *options, self.package, *self.arguments],
                env=self.environment(folder, settings),
                cwd=folder,
                stderr=stderr,
            )
        with child:
            try:
                yield Process(child, log)
            finally:
                with suppress(ProcessLookupError):
                    child.kill()


class Answer(NamedTuple):
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Process:
    """A running service."""

    def __init__(self, child: subprocess.Popen[bytes], log: Path) -> None:
        self._child = child
        self._log = log

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of its log so far; each is one JSON object."""
        complete, _, _ = self._log.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in complete.splitlines()]

    def said(self, message: str) -> dict[str, Any]:
        """Wait until it logs this message; return the line."""
        return self._line("message", message)

    def said_by(self, logger: str) -> dict[str, Any]:
        """Wait until this logger of a library logs something; return the line."""
        return self._line("logger", logger)

    def _line(self, field: str, value: str) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            ended = self._child.poll() is not None
            for line in self.lines:
                if line.get(field) == value:
                    return line
            assert not ended, f"it ended without logging {value!r}: {self._log.read_text(encoding='utf-8')}"
            time.sleep(0.02)
        raise AssertionError(f"it did not log {value!r} in time: {self._log.read_text(encoding='utf-8')}")

    def ask(self, path: str, method: str = "GET", host: str = "127.0.0.1") -> Answer:
        connection = HTTPConnection(host, self.said("listening")["port"], timeout=DEADLINE_S)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers.items()), response.read().decode())
        finally:
            connection.close()

    def stop(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; return the exit status."""
        self._child.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the end; return the exit status."""
        return self._child.wait(DEADLINE_S)


BRIDGE = Program("speechbridge", "errors.md", needs={"WHISPER_URL": "{url}", "OLLAMA_URL": "{url}"})
WHISPER = Program("speechwhisper", "whisper-errors.md")
OPERATOR = Program("speechoperator", "operator-errors.md", ("run",), {"KUBECONFIG": "{kubeconfig}", "POD_NAME": "one"})
PROGRAMS = (BRIDGE, WHISPER, OPERATOR)
