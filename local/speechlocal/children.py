"""Child processes: start programs side by side, wait until they are ready, and always stop them, whatever fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import aiohttp

from speechlocal import loopback, pdeathsig
from speechlocal.errors import ChildError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
POLL_S = 0.05
PROBE_TIMEOUT_S = 5.0
EXIT_GRACE_S = 0.5
SHOWN_LOG_LINES = 15
SHOWN_LINE_CHARACTERS = 300
PORTS = range(20_000, 30_000)

T = TypeVar("T")

# A child inherits only these variables: a WHISPER_URL or MODELS in the user's shell must not configure it.
KEPT_VARIABLES = ("PATH", "HOME", "USER", "TMPDIR", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


@dataclass(frozen=True, eq=False)
class Program:
    """What to start, when it is ready, and what to tell the user if it fails.

    `ready_url` answers 200 once the program is ready; `environment` is added to the few variables that every program
    inherits; `detail` and `advice` are shown to the user.
    """

    name: str
    command: Sequence[str]
    ready_url: str
    environment: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    advice: str = ""


class Child:
    """A running program with its log."""

    def __init__(self, program: Program, process: asyncio.subprocess.Process, log: Path) -> None:
        self.program = program
        self.log = log
        self._process = process
        self._last_answer = "connection refused"

    @classmethod
    async def start(cls, program: Program, logs: Path) -> Child:
        """Start `program` with its output in `logs/NAME.log`, in a process group of its own.

        So a terminal's Ctrl-C does not reach it, and its own children can be stopped with it.
        """
        log = logs / f"{program.name}.log"
        launcher = (sys.executable, "-I", "-S", pdeathsig.__file__, str(os.getpid()))
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *launcher,
                *program.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**base_environment(), **program.environment},
                start_new_session=True,
            )
        return cls(program, process, log)

    @property
    def pid(self) -> int:
        """The process id, which is also its process group id."""
        return self._process.pid

    async def wait_ready(self, session: aiohttp.ClientSession, within_s: float) -> None:
        """Return when `ready_url` answers 200; raise ChildError if the child exits first or time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._process.returncode is None:
                    if await self._is_ready(session):
                        return
                    await asyncio.sleep(POLL_S)
        if self._process.returncode is not None:
            self._fail(f"{self.program.name} exited ({self._exit_reason()}) before it was ready")
        self._fail(
            f"{self.program.name} was not ready on {self.program.ready_url} within {within_s:.0f} s "
            f"(last answer: {self._last_answer})"
        )

    async def wait_end(self) -> NoReturn:
        """Wait until the child exits, and raise ChildError: it should not exit by itself."""
        await self._process.wait()
        self._fail(f"{self.program.name} exited unexpectedly ({self._exit_reason()})")

    async def stop(self, within_s: float = STOP_WITHIN_S) -> None:
        """Terminate the child's process group, and kill what still runs after `within_s` seconds."""
        if self._process.returncode is None:
            self._signal_group(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), within_s)
        self._signal_group(signal.SIGKILL)  # remaining grandchildren, or the child itself
        await self._process.wait()

    def last_lines(self, count: int = SHOWN_LOG_LINES) -> str:
        """Return the end of the log, indented for display."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  | {line[:SHOWN_LINE_CHARACTERS]}" for line in lines[-count:]) or "  | (no output)"

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(self.program.ready_url, timeout=aiohttp.ClientTimeout(PROBE_TIMEOUT_S)) as answer:
                self._last_answer = f"{answer.status} {(await answer.text())[:300]}"
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _exit_reason(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            return f"by {signal.Signals(-code).name}"
        return f"exit code {code}"

    def _fail(self, message: str) -> NoReturn:
        raise ChildError(f"{message}. The end of its log:\n{self.last_lines()}", self.program.advice)


@dataclass(frozen=True)
class Running:
    """Programs that are all ready, and the folder of their logs."""

    children: Sequence[Child]
    logs: Path

    async def wait_end(self) -> None:
        """Wait until one of them exits, and raise ChildError for it."""
        await side_by_side(child.wait_end() for child in self.children)

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of `work`; raise ChildError instead if one of the programs exits meanwhile."""
        working, watching = asyncio.ensure_future(work), asyncio.ensure_future(self.wait_end())
        try:
            await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
            if working.done() and working.exception():  # often the first sign that a program has just exited
                await asyncio.wait({watching}, timeout=EXIT_GRACE_S)
            if watching.done():
                watching.result()
            return await working
        finally:
            working.cancel()
            watching.cancel()
            await asyncio.gather(working, watching, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(
    programs: Iterable[Program],
    *,
    on_ready: Callable[[Program, float], None] = lambda _program, _seconds: None,
    within_s: float = READY_WITHIN_S,
) -> AsyncIterator[Running]:
    """Start all programs at once, enter when all are ready, and stop all on leaving, whatever happened inside.

    Args:
        programs: what to start.
        on_ready: called with a program and the seconds since the start as each becomes ready.
        within_s: seconds each may take.

    Raises:
        ChildError: one exited or was not ready in time; the others have been stopped.
    """
    started = time.monotonic()
    children: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="speechlocal-") as folder:
        try:
            for program in programs:
                children.append(await Child.start(program, Path(folder)))  # noqa: PERF401 - if the next one fails, these are stopped
            await _all_ready(children, started, on_ready, within_s)
            yield Running(tuple(children), Path(folder))
        finally:
            await asyncio.gather(*(child.stop() for child in children))


async def _all_ready(
    children: Sequence[Child], started: float, on_ready: Callable[[Program, float], None], within_s: float
) -> None:
    async def one_ready(child: Child) -> None:
        await child.wait_ready(session, within_s)
        on_ready(child.program, time.monotonic() - started)

    async with aiohttp.ClientSession() as session:
        await side_by_side(one_ready(child) for child in children)


async def side_by_side(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all concurrently; if one fails, cancel the others and raise its error itself, not an exception group."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def base_environment() -> dict[str, str]:
    """Return the environment that every program inherits, without variables that would configure it."""
    return {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}


def free_port() -> int:
    """Return a TCP port of the loopback address that is free at the moment.

    It is below those that the kernel gives to outgoing connections, which could take it before the caller does.
    """
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((loopback.HOST, port))
            return port
    raise ChildError(f"None of 100 ports between {PORTS[0]} and {PORTS[-1]} is free.")
