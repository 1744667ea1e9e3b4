"""Long jobs, run in parallel as far as their dependencies allow, with their progress."""

from __future__ import annotations

import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from speechcli.terminal import INDENT
from speechlocal.terminal import PLAIN_PROGRESS_EVERY_S, spinners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from rich.progress import Progress

    from speechlocal.progress import Report

AT_ONCE = 2  # most use all cores by themselves; beside one that compiles, another can wait for disk and network
SHOWN_CHARACTERS = 60
A_MINUTE_S = 60


@dataclass(frozen=True, eq=False)
class Job:
    """A piece of work.

    `work` is called with a function that takes its progress. `needs` are the names of jobs that must be done before;
    those that are not run together with it count as done. `seconds` is about how long it takes on two cores, for
    display only.
    """

    name: str
    work: Callable[[Report], object]
    needs: tuple[str, ...] = ()
    seconds: int = 0


def announce(console: Console, command: str, jobs: Sequence[Job]) -> None:
    """Print which jobs take long, and about how long, before they start."""
    long = [job for job in jobs if job.seconds]
    if long:
        listed = ", ".join(job.name for job in long)
        console.print(f"{command}: building, once: {listed}; about {duration(long)} on two cores", soft_wrap=True)


def duration(jobs: Sequence[Job]) -> str:
    """Return about how long jobs take, human-readable: most compile on all cores, so they hardly overlap."""
    seconds = sum(job.seconds for job in jobs)
    return f"{seconds} s" if seconds < 2 * A_MINUTE_S else f"{round(seconds / A_MINUTE_S)} minutes"


def run(console: Console, jobs: Sequence[Job], *, at_once: int = AT_ONCE) -> None:
    """Run all jobs, several at a time; of those whose needs are met, the one listed first starts first.

    After a failure no further job starts. Those already running finish: what they build is cached.

    Raises:
        graphlib.CycleError: jobs need each other; nothing has started.
        Exception: the first error of a job, as it was raised there.
    """
    by_name = {job.name: job for job in jobs}
    order = TopologicalSorter({job: [by_name[need] for need in job.needs if need in by_name] for job in jobs})
    order.prepare()
    ready = list[Job]()
    running: dict[Future[None], Job] = {}
    failed: BaseException | None = None
    with spinners(console) as progress, ThreadPoolExecutor(at_once) as pool:
        view = View(console, progress)
        while running or (order.is_active() and not failed):
            ready = sorted([*ready, *order.get_ready()], key=jobs.index)
            while ready and not failed and len(running) < at_once:
                job = ready.pop(0)
                running[pool.submit(view.follow, job)] = job
            for ended in wait(running, return_when=FIRST_COMPLETED).done:
                order.done(running.pop(ended))
                failed = failed or ended.exception()
    if failed:
        raise failed


class View:
    """The progress of running jobs: on a terminal a line for each, otherwise a line now and then."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._lock = threading.Lock()

    def follow(self, job: Job) -> None:
        """Run a job and show its progress."""
        started = last_line = time.monotonic()
        task = self._progress.add_task(job.name, total=1, note="")

        def report(text: str) -> None:
            nonlocal last_line
            self._progress.update(task, note=text[:SHOWN_CHARACTERS])
            if not self._console.is_terminal and time.monotonic() - last_line > PLAIN_PROGRESS_EVERY_S:
                last_line = time.monotonic()
                self._line(f"{job.name}: {text[:SHOWN_CHARACTERS]}")

        try:
            job.work(report)
        except BaseException as error:
            note = f"failed: {error}".partition("\n")[0]  # the whole error is raised when the others have finished
            self._progress.update(task, note=note[:SHOWN_CHARACTERS])
            self._line(f"{job.name}: {note}")
            raise
        note = f"done after {time.monotonic() - started:.0f} s"
        self._progress.update(task, completed=1, note=note)
        self._line(f"{job.name}: {note}")

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            with self._lock:
                self._console.print(INDENT + text, soft_wrap=True, markup=False)
