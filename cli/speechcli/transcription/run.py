"""Run jobs side by side. A failed one does not stop the others."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from speechcli.errors import ClusterError, RequestError
from speechcli.transcription.jobs import Job, current_umask, write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from speechcli.transcription.request import Transcript


class Result(Enum):
    """What became of a job."""

    WRITTEN = "written"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Done:
    """A job that has ended, after `seconds`; `why` is the reason of a failure, `notes` are about the transcript."""

    job: Job
    result: Result
    seconds: float = 0.0
    why: str = ""
    notes: tuple[str, ...] = ()


class Progress(Protocol):
    """What is told about the jobs."""

    def started(self, job: Job) -> None:
        """Note that a recording is being sent."""

    def done(self, done: Done) -> None:
        """Note that a job has ended."""


async def run(
    jobs: Sequence[Job],
    transcribe: Callable[[Path], Awaitable[Transcript]],
    concurrency: int,
    progress: Progress,
    *,
    overwrite: bool = False,
) -> list[Done]:
    """Transcribe the jobs, `concurrency` of them at a time; those with a finished file are skipped.

    Raises:
        ClusterError: the cluster refuses, or the pipeline is gone; finished files stay.
    """
    ended: list[Done] = []
    turns = iter(jobs)
    umask = current_umask()

    async def worker() -> None:
        for job in turns:  # shared by all workers
            done = await _one(job, transcribe, progress, umask, overwrite=overwrite)
            ended.append(done)
            progress.done(done)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as errors:  # of one worker or of several, for the same reason
        raise errors.exceptions[0] from None
    return ended


async def _one(
    job: Job, transcribe: Callable[[Path], Awaitable[Transcript]], progress: Progress, umask: int, *, overwrite: bool
) -> Done:
    if job.target.exists() and not overwrite:
        return Done(job, Result.SKIPPED)
    progress.started(job)
    started = time.monotonic()
    try:
        transcript = await transcribe(job.source)
        await asyncio.to_thread(write, job.target, transcript.content, umask)
    except RequestError as error:
        return Done(job, Result.FAILED, time.monotonic() - started, f"{error.message} ({error.code})")
    except ClusterError as error:
        if not error.transient:
            raise
        return Done(job, Result.FAILED, time.monotonic() - started, error.message)
    except OSError as error:
        return Done(job, Result.FAILED, time.monotonic() - started, f"{error.strerror}: {error.filename}")
    return Done(job, Result.WRITTEN, time.monotonic() - started, notes=transcript.notes)
