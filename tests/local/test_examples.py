"""Every example client, run as its first lines document, against the real service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from speechlocal import paths
from spoken import spelled

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from speechlocal.stack import Stack

pytestmark = pytest.mark.component

CLIENTS = paths.REPOSITORY / "examples" / "clients"
VOICE = paths.RECORDINGS / "austen-ill-disposed.wav"
COMMANDS = {
    "process.sh": ["sh"],
    "process.py": [sys.executable, "-I"],  # -I: nothing but the standard library
    "process.mjs": ["node"],
}


@pytest.fixture(autouse=True, scope="module")
def programs(unavailable: Callable[[str], None]) -> None:
    for program in ("curl", "node"):
        if shutil.which(program) is None:
            unavailable(f"{program} is not installed; run `python -m speechlocal prepare`")


def run(client: str, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program, *options = COMMANDS[client]
    return subprocess.run(
        [program, *options, CLIENTS / client, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.environ["PATH"], "SPEECH_URL": url},
    )


def test_every_client_is_listed_and_run() -> None:
    readme = (paths.REPOSITORY / "examples" / "README.md").read_text()

    assert {client.name for client in CLIENTS.iterdir() if client.is_file()} == set(COMMANDS)
    assert all(f"clients/{client}" in readme for client in COMMANDS)


@pytest.mark.parametrize("client", COMMANDS)
def test_a_client_gets_one_json_answer_and_one_streamed(client: str, stack: Stack) -> None:
    ran = run(client, stack.url, str(VOICE), "Repeat this:")

    assert ran.returncode == 0, ran.stderr
    assert spelled(ran.stdout).count("rather selfish is to be ill disposed") >= 2
    assert ran.stderr == ""


@pytest.mark.parametrize("client", COMMANDS)
def test_a_client_shows_why_it_was_rejected(client: str, stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "voice.wav").write_text("not audio " * 100)

    ran = run(client, stack.url, str(tmp_path / "voice.wav"))

    assert ran.returncode != 0
    assert "not_audio" in ran.stdout + ran.stderr


def test_the_curl_client_shows_the_events_as_they_are(stack: Stack) -> None:
    ran = run("process.sh", stack.url, str(VOICE))

    answer, _, stream = ran.stdout.partition("\n")
    assert json.loads(answer)["transcription"]
    names = [line.removeprefix("event: ") for line in stream.splitlines() if line.startswith("event: ")]
    assert names[0] == "transcript.delta"
    assert "response.delta" in names
    assert names[-1] == "response.done"
