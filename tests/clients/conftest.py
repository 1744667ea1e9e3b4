"""The real service, and a way to run a program that uses a client which others wrote."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract.conftest import or_missing
from speechlocal import client_packages
from speechlocal.paths import RECORDINGS
from speechlocal.stack import Stack, plan, started_sync

VOICE = RECORDINGS / "austen-ill-disposed.wav"
HERE = Path(__file__).parent
IDLE_TIMEOUT_S = 8
"""Of the bridge: a program whose client leaves its connection open ends after it.

It is above those of the clients (4 s of undici, 5 s of httpx): a server that closes first may do so while the next
request is on its way.
"""
_PATIENCE_S = 180

Answers = Callable[[str], Awaitable[Any]]
"""Runs a program, given by its path in this folder, with the bridge's address and a recording; returns its JSON."""


@pytest.fixture(scope="package")
def stack() -> Iterator[Stack]:
    """Whisper tiny.en, SmolLM2 and the bridge."""
    wanted = plan()
    *others, bridge = wanted.programs
    bridge = replace(bridge, environment={**bridge.environment, "CLIENT_IDLE_TIMEOUT": str(IDLE_TIMEOUT_S)})
    with started_sync(replace(wanted, programs=(*others, bridge))) as serving:
        yield serving


@pytest.fixture
def answers(stack: Stack, tmp_path: Path) -> Answers:
    """A fixture, so that the programs find the bridge."""

    async def run(program: str) -> Any:
        with or_missing("clients"):
            command = _command(HERE / program, tmp_path)
        process = await asyncio.create_subprocess_exec(
            *command, stack.url, str(VOICE), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            said, errors = await asyncio.wait_for(process.communicate(), _PATIENCE_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            pytest.fail(f"{program} did not end within {_PATIENCE_S} s")
        assert process.returncode == 0, errors.decode(errors="replace")[-4000:]
        return json.loads(said.splitlines()[-1])

    return run


def _command(program: Path, folder: Path) -> list[str]:
    if program.suffix == ".py":
        return [str(client_packages.python()), str(program)]
    # Node looks for packages beside the program.
    (folder / "node_modules").symlink_to(client_packages.node_modules())
    return ["node", str(shutil.copy(program, folder))]
