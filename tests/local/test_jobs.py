"""Jobs side by side: what waits for what, and what a failure stops."""

from __future__ import annotations

import io
import threading
from graphlib import CycleError

import pytest
from rich.console import Console

from speechlocal import jobs
from speechlocal.errors import LocalError
from speechlocal.jobs import Job

pytestmark = pytest.mark.unit


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=100)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_job_starts_when_its_needs_are_done(console: Console) -> None:
    done: list[str] = []
    work = [
        Job("roof", lambda _: done.append("roof"), needs=("walls", "ground")),
        Job("walls", lambda _: done.append("walls"), needs=("ground",)),
        Job("ground", lambda _: done.append("ground")),
    ]

    jobs.run(console, work)

    assert done == ["ground", "walls", "roof"]


def test_a_need_without_a_job_counts_as_done(console: Console) -> None:
    done: list[str] = []
    jobs.run(console, [Job("roof", lambda _: done.append("roof"), needs=("walls",))])

    assert done == ["roof"]


def test_jobs_that_do_not_need_each_other_run_side_by_side(console: Console) -> None:
    meeting = threading.Barrier(2)
    jobs.run(console, [Job(name, lambda _: meeting.wait(10)) for name in ("one", "other")])

    assert not meeting.broken


def test_no_more_run_at_once_than_allowed(console: Console) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work(_: object) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    jobs.run(console, [Job(str(number), work) for number in range(8)], at_once=2)

    assert most <= 2


def test_after_a_failure_no_job_starts_and_its_error_is_raised(console: Console) -> None:
    started: list[str] = []

    def fail(_: object) -> None:
        raise LocalError("no space left")

    with pytest.raises(LocalError, match="no space left"):
        jobs.run(console, [Job("image", fail), Job("cluster", lambda _: started.append("cluster"), needs=("image",))])
    assert started == []
    assert "image: failed: no space left" in said(console), "at once: others may still run for long"


def test_a_running_job_finishes_when_another_fails(console: Console) -> None:
    failed, finished = threading.Event(), threading.Event()

    def fail(_: object) -> None:
        failed.set()
        raise LocalError("no")

    def build(_: object) -> None:
        failed.wait(10)
        finished.set()

    with pytest.raises(LocalError):
        jobs.run(console, [Job("build", build), Job("fail", fail)])
    assert finished.is_set()


def test_without_a_terminal_the_end_of_each_job_is_a_line(console: Console) -> None:
    jobs.run(console, [Job("Debian image", lambda say: say("unpacking"))])

    assert said(console) == "  Debian image: done after 0 s\n"


def test_a_cycle_of_jobs_is_rejected_before_any_job_starts(console: Console) -> None:
    started: list[str] = []
    cycle = [Job("egg", started.append, needs=("hen",)), Job("hen", started.append, needs=("egg",))]

    with pytest.raises(CycleError):
        jobs.run(console, [Job("nest", started.append), *cycle])
    assert started == []


def test_of_the_jobs_that_may_start_the_first_listed_one_does(console: Console) -> None:
    started: list[str] = []
    work = [
        Job("after", lambda _: started.append("after"), needs=("first",)),
        Job("first", lambda _: started.append("first")),
        Job("last", lambda _: started.append("last")),
    ]

    jobs.run(console, work, at_once=1)

    assert started == ["first", "after", "last"]


@pytest.mark.parametrize(("seconds", "text"), [(90, "90 s"), (600, "10 minutes"), (119, "119 s"), (120, "2 minutes")])
def test_a_duration_has_a_readable_unit(seconds: int, text: str) -> None:
    assert jobs.duration([Job("a", print, seconds=seconds - 30), Job("b", print, seconds=30)]) == text


def test_only_jobs_that_take_long_are_announced(console: Console) -> None:
    jobs.announce(console, "prepare", [Job("quick", print), Job("Ollama", print, seconds=240)])
    jobs.announce(console, "prepare", [Job("quick", print)])

    assert said(console) == "prepare: building, once: Ollama; about 4 minutes on two cores\n"
