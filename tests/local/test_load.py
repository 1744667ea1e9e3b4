"""The load test against the running stack."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from speechlocal import paths

if TYPE_CHECKING:
    from pathlib import Path

    from speechlocal.stack import Stack

pytestmark = pytest.mark.component

VOICE = paths.RECORDINGS / "austen-ill-disposed.wav"
SHORT = "In one sentence, what does the speaker say?"  # left to itself a very small model goes on and on


def load(url: str, *options: str, audio: Path = VOICE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "speechlocal", "load", "--url", url, "--audio", str(audio), "--prompt", SHORT]
    return subprocess.run([*command, *options], check=False, capture_output=True, text=True, timeout=180)


def test_json_has_every_figure_and_they_fit_together(stack: Stack) -> None:
    ran = load(stack.url, "--runs", "4", "--concurrency", "2", "--json")

    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert (found["requests"], found["succeeded"], found["failed"], found["errors"]) == (4, 4, 0, {})
    for spread in (found["latency_ms"], found["first_text_ms"], found["first_token_ms"], found["server_ms"]):
        assert 0 < spread["min"] <= spread["p50"] <= spread["p99"] <= spread["max"]
        assert spread["min"] <= spread["mean"] <= spread["max"]
    assert found["first_text_ms"]["min"] <= found["first_token_ms"]["max"] <= found["latency_ms"]["max"]
    assert found["audio_seconds_per_second"] == pytest.approx(4 * 5.3 / found["wall_s"], rel=0.02)


def test_a_person_gets_a_table(stack: Stack) -> None:
    ran = load(stack.url, "--runs", "1")

    assert ran.returncode == 0, ran.stderr
    assert "first token of the response" in ran.stdout
    assert "1 of 1 requests succeeded" in ran.stdout
    assert ran.stderr == "1 of 1 requests done\n"


def test_failures_are_counted_by_kind_and_fail_the_run(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "voice.wav").write_text("not audio " * 100)

    ran = load(stack.url, "--runs", "2", "--json", audio=tmp_path / "voice.wav")

    assert ran.returncode == 1
    assert json.loads(ran.stdout)["errors"] == {"not_audio": 2}
