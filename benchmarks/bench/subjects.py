"""The programs that are measured, and the settings they run with."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bench.processes import HOST, PORT, Process, Program

PLAIN, STREAMING, BRIDGE, RELAY = "plain", "streaming", "bridge", "bare relay"
STUB_MODEL = "stub"
LISTEN = {"SERVER_HOST": HOST, "SERVER_PORT": PORT}
OPENAI = {"TRANSCRIBER": "openai", "GENERATOR": "openai"}


class NotThereError(Exception):
    """Something that a measurement needs is not on this machine."""


@dataclass(frozen=True)
class Stage:
    """Where programs run: a folder for their logs and temporary files, and which cores they get.

    The measured program has a core to itself; the client and the stub share another. On one core all share it.
    """

    folder: Path
    measured: frozenset[int]
    others: frozenset[int]

    def start(self, program: Program) -> Process:
        """Start a program that is measured."""
        return Process(program, self.folder, set(self.measured))

    def start_other(self, program: Program) -> Process:
        """Start a program that is not."""
        return Process(program, self.folder, set(self.others))

    def unpinned(self) -> Stage:
        """The same folder, and all cores for all."""
        return stage(self.folder, pinned=False)


def stage(folder: Path, *, pinned: bool) -> Stage:
    """The stage of this machine."""
    cores = sorted(os.sched_getaffinity(0))
    if not pinned:
        return Stage(folder, frozenset(cores), frozenset(cores))
    return Stage(folder, frozenset(cores[:1]), frozenset(cores[1:2] or cores[:1]))


def stub(go: Path) -> Program:
    """Whisper and the language model in one, with no delay."""
    return Program("stub", [str(go / "stub")], LISTEN, "/readyz")


def peer(go: Path, name: str, whisper: str, llm: str, model: str = STUB_MODEL) -> Program:
    """A bridge in Go, `plain` or `streaming`."""
    return Program(name, [str(go / name)], upstreams(whisper, llm) | {"MODELS": model}, "/health")


def bridge(whisper: str, llm: str) -> Program:
    """Our bridge with its default settings: whisper-asr-webservice and Ollama upstream."""
    return Program(BRIDGE, [sys.executable, "-m", "speechbridge"], upstreams(whisper, llm), "/readyz")


def openai_bridge(whisper: str, llm: str) -> Program:
    """Our bridge with OpenAI's protocols upstream."""
    base = bridge(whisper, llm)
    return replace(base, name=f"{BRIDGE}, openai", environment={**base.environment, **OPENAI})


def relay(stub: Process) -> Program:
    """No bridge: the minimum cost of forwarding a token."""
    script = str(Path(__file__).with_name("relay.py"))
    return Program(RELAY, [sys.executable, script, PORT, str(stub.port)], {}, "/health")


def upstreams(whisper: str, llm: str) -> dict[str, str]:
    """The settings that all bridges read."""
    return {**LISTEN, "WHISPER_URL": whisper, "OLLAMA_URL": llm}


def why_not(module: str) -> str | None:
    """Why `python -m MODULE` does not run here; None when it does."""
    command = [sys.executable, "-m", module, "--help"]
    tried = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if tried.returncode == 0:
        return None
    last = tried.stderr.strip().splitlines()[-1:]
    return f"`python -m {module} --help` failed: {''.join(last)}"


def require(module: str) -> None:
    """Check that `python -m MODULE` runs here.

    Raises:
        NotThereError: it does not.
    """
    if reason := why_not(module):
        raise NotThereError(reason)
