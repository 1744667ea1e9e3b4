"""`.ci/run`: its exit code, and that it leaves nothing running. A Makefile stands for the project's."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from repository import ROOT

pytestmark = pytest.mark.unit

WITHIN_S = 60
POLL_S = 0.02
ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
"""As in a shell: `make test` passes on that it is a make, and one below it says in which folder it works."""
LASTS = "echo $$$$ > $@.pid; exec sleep 600"
"""What a target does that does not end by itself; its process is the one it has written down."""


def checkout(folder: Path, *, lint: str = "true", test: str = "true") -> Path:
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (folder / "Makefile").write_text(f".dev:\n\t@true\nlint:\n\t@{lint}\ntest:\n\t@{test}\n.PHONY: .dev lint test\n")
    return folder / ".ci" / "run"


@pytest.mark.parametrize(
    ("lint", "test", "code"), [("true", "true", 0), ("false", "true", 1), ("true", "false", 1), ("false", "false", 1)]
)
def test_it_fails_if_lint_or_a_test_fails(tmp_path: Path, lint: str, test: str, code: int) -> None:
    done = subprocess.run([checkout(tmp_path, lint=lint, test=test)], check=False, capture_output=True, env=ENVIRONMENT)

    assert done.returncode == code


def test_what_lint_says_is_in_one_piece_before_the_end_of_the_tests(tmp_path: Path) -> None:
    tested = "echo begins; until grep -qs 'wrong 2' output; do sleep 0.1; done; echo 2 passed"
    run = checkout(tmp_path, lint="echo wrong 1; echo wrong 2", test=tested)
    with (tmp_path / "output").open("w") as output:
        subprocess.run([run], check=True, stdout=output, stderr=subprocess.STDOUT, timeout=WITHIN_S, env=ENVIRONMENT)

    said = (tmp_path / "output").read_text().splitlines()
    assert [line for line in said if line != "begins"] == ["", "wrong 1", "wrong 2", "2 passed"]


def test_a_termination_ends_lint_and_tests(tmp_path: Path) -> None:
    with running(checkout(tmp_path, lint=LASTS, test=LASTS)) as run:
        pids = [pid_in(tmp_path / "lint.pid"), pid_in(tmp_path / "test.pid")]
        run.terminate()

        assert run.wait(WITHIN_S) == 128 + signal.SIGTERM
        until_gone(pids)


def test_ctrl_c_ends_lint_and_lets_the_tests_clean_up(tmp_path: Path) -> None:
    cleans = "trap 'touch cleaned; exit 1' INT; echo $$$$ > test.pid; while :; do sleep 0.1; done"
    with running(checkout(tmp_path, lint=LASTS, test=cleans)) as run:
        pids = [pid_in(tmp_path / "lint.pid"), pid_in(tmp_path / "test.pid")]
        os.killpg(run.pid, signal.SIGINT)

        assert run.wait(WITHIN_S) == 128 + signal.SIGINT
        until_gone(pids)
    assert (tmp_path / "cleaned").exists()


@contextmanager
def running(program: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it as a terminal does, in a process group of its own."""
    run = subprocess.Popen(
        [program],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        yield run
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def pid_in(file: Path) -> int:
    """The process that has written its number into a file, once it has."""
    deadline = time.monotonic() + WITHIN_S
    while not file.exists() or not file.read_text().endswith("\n"):
        assert time.monotonic() < deadline, file
        time.sleep(POLL_S)
    return int(file.read_text())


def until_gone(pids: list[int]) -> None:
    """Wait until processes have ended; those that are left are killed, and the test fails."""
    deadline = time.monotonic() + WITHIN_S
    while left := [pid for pid in pids if is_running(pid)]:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            pytest.fail(f"still running: {left}")
        time.sleep(POLL_S)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
