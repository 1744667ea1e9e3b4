"""The demo as a user or a script runs it, with real models; it leaves no processes behind."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from speechlocal import models
from speechlocal.children import free_port
from speechlocal.demo_output import DEMO_RECORDING as RECORDING
from spoken import WORST_WORD_ERROR_RATE, transcript, word_error_rate

if TYPE_CHECKING:
    from speechlocal.stack import OllamaModel

pytestmark = pytest.mark.component

LEFT = Callable[[], list[str]]
WAIT = Callable[[Callable[[], object]], None]
TIMEOUT_S = 180


def demo(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "speechlocal", "demo", *options]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=TIMEOUT_S, env={**os.environ, **environment}
    )


PLAYGROUND = r"playground +(http://127\.0\.0\.1:\d+)/\n"


@contextmanager
def kept(wait_until: WAIT, output: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run `demo --keep` and yield its process and the bridge's address once it is running."""
    command = [sys.executable, "-m", "speechlocal", "demo", "--keep", *options]
    with output.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            wait_until(lambda: process.poll() is not None or re.search(PLAYGROUND, output.read_text()))
            found = re.search(PLAYGROUND, output.read_text())
            assert found, output.read_text()
            yield process, found[1]
        finally:
            process.kill()


def test_json_prints_the_answer_of_process_and_nothing_else(left_running: LEFT) -> None:
    ran = demo("--json")

    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert word_error_rate(transcript(RECORDING), answer["transcription"]) <= WORST_WORD_ERROR_RATE
    assert answer["response"]
    assert answer["model"] == models.LLM_NAME
    assert answer["process_time_ms"] > 0
    assert "ready after" in ran.stderr
    assert left_running() == []


def test_a_person_sees_transcript_answer_timings_and_what_to_do_next(left_running: LEFT) -> None:
    ran = demo("--audio", str(RECORDING), "--prompt", "Who has leisure?")

    assert ran.returncode == 0, ran.stderr
    headings = [line.split("  ")[0] for line in ran.stdout.splitlines() if line and not line.startswith(" ")]
    assert headings == ["Speech in, answer out", "Transcript", "Answer", "Timings", "Next"]
    heard = re.search(r"^Transcript.*\n((?:  .*\n)+)", ran.stdout, re.MULTILINE)
    assert heard
    assert word_error_rate(transcript(RECORDING), heard[1]) <= WORST_WORD_ERROR_RATE
    assert "Who has leisure?" in ran.stdout
    assert "make demo KEEP=1" in ran.stdout
    assert "is a toy" in ran.stdout
    assert "OLLAMA_URL=" in ran.stdout
    assert ran.stderr == ""
    assert left_running() == []


def test_on_a_terminal_it_stays_open_with_its_address_until_enter(left_running: LEFT, wait_until: WAIT) -> None:
    keyboard, terminal = pty.openpty()
    os.set_blocking(keyboard, False)
    shown = b""

    def appears(text: str) -> bool:
        nonlocal shown
        with contextlib.suppress(OSError):  # nothing new, or the terminal is closed
            shown += os.read(keyboard, 65536)
        return re.search(text, shown.decode()) is not None

    command = ["setsid", "--ctty", "--wait", sys.executable, "-m", "speechlocal", "demo"]
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        wait_until(lambda: process.poll() is not None or appears(r"Running until Enter[\s\S]+ logs +/"))
        found = re.search(r"playground +(http://[\d.:]+)/", shown.decode())
        assert found, shown.decode()
        with urllib.request.urlopen(f"{found[1]}/", timeout=10) as page:  # noqa: S310 - on this machine
            assert page.headers.get_content_type() == "text/html"

        os.write(keyboard, b"\n")
        wait_until(lambda: appears("your model") and process.poll() is not None)
        assert process.returncode == 0, shown.decode()
    os.close(keyboard)

    assert left_running() == []


@pytest.mark.parametrize(
    ("ending", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + 15), (signal.SIGHUP, 128 + 1)]
)
def test_with_keep_it_runs_on_the_chosen_port_until_a_signal(
    ending: signal.Signals, exit_code: int, left_running: LEFT, wait_until: WAIT, tmp_path: Path
) -> None:
    port = free_port()

    with kept(wait_until, tmp_path / "output", "--port", str(port)) as (process, url):
        assert url == f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/", timeout=10) as page:  # noqa: S310 - on this machine
            assert page.headers.get_content_type() == "text/html"

        process.send_signal(ending)
        assert process.wait(timeout=30) == exit_code

    assert left_running() == []


def test_started_in_the_background_of_a_script_it_ends_on_sigterm(
    left_running: LEFT, wait_until: WAIT, tmp_path: Path
) -> None:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # what `demo & ` in a shell script inherits
    try:
        with kept(wait_until, tmp_path / "output") as (process, _):
            process.terminate()
            assert process.wait(timeout=30) == 128 + 15
    finally:
        signal.signal(signal.SIGINT, previous)

    assert left_running() == []


def test_killed_it_leaves_no_process(left_running: LEFT, wait_until: WAIT, tmp_path: Path) -> None:
    with kept(wait_until, tmp_path / "output") as (process, _):
        process.kill()

    wait_until(lambda: not left_running())


def test_it_ends_with_the_name_of_a_service_that_exits(left_running: LEFT, wait_until: WAIT, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with kept(wait_until, output) as (process, _):
        os.kill(pid_of("speechwhisper", process.pid), signal.SIGKILL)
        assert process.wait(timeout=30) == 1

    assert "demo: whisper exited unexpectedly (by SIGKILL)" in output.read_text()
    assert left_running() == []


def test_a_file_that_is_no_audio_is_rejected_by_the_service(left_running: LEFT, tmp_path: Path) -> None:
    text = tmp_path / "voice.wav"
    text.write_text("This is not a recording.\n" * 100)

    ran = demo("--json", "--audio", str(text))

    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert left_running() == []


def test_an_existing_ollama_answers_instead(small_ollama: OllamaModel, left_running: LEFT) -> None:
    ran = demo("--json", OLLAMA_URL=small_ollama.url)

    assert ran.returncode == 0, ran.stderr
    answer = json.loads(ran.stdout)
    assert answer["model"] == small_ollama.name
    assert answer["response"]
    assert "error" not in answer
    assert " llm " not in ran.stderr
    assert left_running() == []


def test_a_model_that_ollama_does_not_have_is_rejected_before_anything_starts(small_ollama: OllamaModel) -> None:
    ran = demo(OLLAMA_URL=small_ollama.url, MODEL="llama-of-tomorrow")

    assert ran.returncode == 2
    assert "has no model llama-of-tomorrow" in ran.stderr
    assert small_ollama.name in ran.stderr


def pid_of(package: str, parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    (found,) = [int(child) for child in children if package in Path(f"/proc/{child}/cmdline").read_text()]
    return found
