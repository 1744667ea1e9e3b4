"""The two programs that are compared: the server with its default settings, and faster-whisper called directly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.client import ReplyError
from bench.processes import HOST, PORT, Program
from speechlocal import models, pdeathsig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from bench.recordings import Recording

SERVER, SEQUENTIAL, THREADS = "speechwhisper", "sequential", "threads"
WORKERS = {SEQUENTIAL: 1, THREADS: 4}
DEVICE = os.environ.get("WHISPER_DEVICE", "cpu")
COMPUTE_TYPE = os.environ.get("WHISPER_COMPUTE_TYPE", "int8")


@dataclass(frozen=True)
class Weights:
    """A model; with `language`, both programs are told which language is spoken."""

    name: str
    folder: Path
    language: str | None = None


def tiny() -> Weights:
    """Whisper tiny.en, the weights of `make demo`."""
    return Weights("tiny.en", models.whisper_weights())


def base() -> Weights:
    """Whisper base: multilingual, so both programs are told the language instead of detecting it for each piece."""
    return Weights(models.WHISPER_BASE_NAME, models.whisper_base_weights(), "en")


def server(weights: Weights) -> Program:
    """Our server; further settings can be given in the environment."""
    settings = {
        "WHISPER_MODEL": str(weights.folder),
        "WHISPER_MODEL_NAME": weights.name,
        "WHISPER_DEVICE": DEVICE,
        "WHISPER_COMPUTE_TYPE": COMPUTE_TYPE,
        "SERVER_HOST": HOST,
        "SERVER_PORT": PORT,
    }
    return Program(SERVER, [sys.executable, "-m", "speechwhisper"], settings, "/readyz")


@dataclass(frozen=True)
class Answered:
    """The text of each file and its latency in seconds, in the order given; and the seconds all of them took."""

    texts: list[str]
    latencies: list[float]
    seconds: float


class FasterWhisper:
    """faster-whisper in a process of its own; as a context manager, it is stopped on exit in any case."""

    def __init__(self, weights: Weights) -> None:
        script = str(Path(__file__).with_name("faster_whisper_worker.py"))
        launcher = [sys.executable, pdeathsig.__file__, str(os.getpid()), sys.executable, script]
        command = [
            *launcher,
            str(weights.folder),
            DEVICE,
            COMPUTE_TYPE,
            *([weights.language] if weights.language else []),
        ]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.kill()
        self._child.communicate()

    def transcribe(self, files: Sequence[Recording], name: str = SEQUENTIAL, clients: int = 1) -> Answered:
        """Let `clients` send the files to the model that is called `name`.

        Raises:
            ReplyError: The process ended.
        """
        request = {"files": [str(file.path) for file in files], "workers": WORKERS[name], "clients": clients}
        if self._child.stdin is None or self._child.stdout is None:
            raise ReplyError("faster-whisper has no pipes")
        self._child.stdin.write(json.dumps(request) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            raise ReplyError("faster-whisper ended; its error is above")
        return Answered(**json.loads(line))
