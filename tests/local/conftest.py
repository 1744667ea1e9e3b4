"""The service on this machine, started once; and the processes that a command leaves behind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from speechlocal import ollama, paths
from speechlocal.stack import OllamaModel, Stack, plan, started_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDING = paths.RECORDINGS / "austen-ill-disposed.wav"


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Whisper tiny.en, SmolLM2 and the bridge, as the demo starts them."""
    with started_sync(plan()) as serving:
        yield serving


@pytest.fixture(scope="session")
def small_ollama(tmp_path_factory: pytest.TempPathFactory, unavailable: Callable[[str], None]) -> Iterator[OllamaModel]:
    """A real Ollama with SmolLM2; without one tests are skipped, or fail if CI is set."""
    if ollama.find() is None:
        unavailable(f"{ollama.MISSING}; {ollama.ADVICE}")
    with asyncio.Runner() as loop:
        serving = ollama.serving(tmp_path_factory.mktemp("ollama"))
        url = loop.run(serving.__aenter__())
        try:
            yield loop.run(ollama.create_small_model(url))
        finally:
            loop.run(serving.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def unavailable() -> Callable[[str], None]:
    """Return a function that skips with a reason; if CI is set it fails instead, since skips go unnoticed there."""

    def end(why: str) -> None:
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)

    return end


@pytest.fixture
def left_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that lists the running commands that this test started, directly or not.

    They are identified by the TMPDIR that they inherited.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mark = f"TMPDIR={tmp_path}".encode()

    def listed() -> list[str]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if int(process.name) != os.getpid() and mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    return listed


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Return a function that waits for a condition, and fails the test after two minutes."""

    def wait(condition: Callable[[], object], within_s: float = 120.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {within_s:.0f} s: {condition}")
            time.sleep(0.02)

    return wait
