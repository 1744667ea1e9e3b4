"""Children that serve, exit, hang or ignore signals, as tiny Python programs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from speechlocal import pdeathsig
from speechlocal.children import Program, free_port, running
from speechlocal.errors import ChildError

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.unit

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
WITH_GRANDCHILD = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n" + SERVER
)
DYING = "print('no room for the model'); raise SystemExit(3)"
SILENT = "import time; time.sleep(600)"


def program(source: str, name: str = "child", advice: str = "", environment: dict[str, str] | None = None) -> Program:
    port = free_port()
    command = (sys.executable, "-I", "-S", "-c", source.replace("PORT", str(port)))
    return Program(name, command, f"http://127.0.0.1:{port}/", environment or {}, advice=advice)


async def test_all_are_ready_inside_and_none_runs_afterwards(left_running: Callable[[], list[str]]) -> None:
    ready: list[str] = []
    programs = [program(SERVER, "one"), program(SERVER, "two")]

    async with running(programs, on_ready=lambda one, _seconds: ready.append(one.name)) as processes:
        assert len(left_running()) == 2
        assert processes.children[0].last_lines() == "  | serving"

    assert sorted(ready) == ["one", "two"]
    assert left_running() == []


async def test_grandchildren_are_stopped_too(left_running: Callable[[], list[str]]) -> None:
    async with running([program(WITH_GRANDCHILD)]):
        assert len(left_running()) == 2

    async with asyncio.timeout(10):  # they are killed, and end on their own: their parent is gone
        while left_running():  # noqa: ASYNC110 - the end of a grandchild is no event
            await asyncio.sleep(0.05)


async def test_a_child_that_exits_is_reported_with_its_log_and_the_others_stop(
    left_running: Callable[[], list[str]],
) -> None:
    programs = [program(SERVER, "one"), program(DYING, "two", advice="give it more room")]

    with pytest.raises(ChildError) as failed:
        async with running(programs):
            pytest.fail("must not be entered")

    assert "two exited (exit code 3) before it was ready" in failed.value.message
    assert "  | no room for the model" in failed.value.message
    assert failed.value.advice == "give it more room"
    assert left_running() == []


async def test_a_port_that_never_opens_times_out(left_running: Callable[[], list[str]]) -> None:
    with pytest.raises(ChildError, match=r"was not ready on .* within 1 s \(last answer: connection refused\)"):
        async with running([program(SILENT)], within_s=1.0):
            pytest.fail("must not be entered")

    assert left_running() == []


async def test_a_command_that_does_not_exist_is_reported(left_running: Callable[[], list[str]]) -> None:
    with pytest.raises(ChildError, match="child exited"):
        async with running([Program("child", ("/no/such/program",), f"http://127.0.0.1:{free_port()}/")]):
            pytest.fail("must not be entered")

    assert left_running() == []


async def test_a_child_that_ignores_sigterm_is_killed(left_running: Callable[[], list[str]]) -> None:
    async with running([program(DEAF)]) as processes:
        await processes.children[0].stop(within_s=0.2)

        assert left_running() == []


async def test_an_error_inside_stops_everything(left_running: Callable[[], list[str]]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with running([program(SERVER)]):
            raise ZeroDivisionError

    assert left_running() == []


async def test_cancelling_while_starting_stops_everything(
    left_running: Callable[[], list[str]], wait_until: Callable[[Callable[[], object]], None]
) -> None:
    async def start() -> None:
        async with running([program(SILENT)]):
            pytest.fail("must not be entered")

    starting = asyncio.create_task(start())
    await asyncio.to_thread(wait_until, left_running)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert left_running() == []


async def test_a_child_that_exits_cancels_the_work() -> None:
    async with running([program(SERVER)]) as processes:
        working = asyncio.create_task(processes.during(asyncio.Event().wait()))
        os.kill(processes.children[0].pid, signal.SIGKILL)

        with pytest.raises(ChildError, match=r"child exited unexpectedly \(by SIGKILL\)"):
            await working


async def test_a_failure_caused_by_a_child_that_exited_names_the_child() -> None:
    async def work(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        raise ConnectionResetError

    async with running([program(SERVER)]) as processes:
        with pytest.raises(ChildError):
            await processes.during(work(processes.children[0].pid))


async def test_work_returns_its_result() -> None:
    async def work() -> str:
        return "done"

    async with running([program(SERVER)]) as processes:
        assert await processes.during(work()) == "done"


async def test_a_child_does_not_inherit_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHISPER_URL", "http://elsewhere")
    source = "import os; print(os.environ.get('WHISPER_URL'), os.environ['OWN'])\n" + SERVER

    async with running([program(source, environment={"OWN": "yes"})]) as processes:
        assert processes.children[0].last_lines().startswith("  | None yes")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
def test_a_command_ends_when_its_parent_is_killed(
    left_running: Callable[[], list[str]], wait_until: Callable[[Callable[[], object]], None]
) -> None:
    parent = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, {pdeathsig.__file__!r}, str(os.getpid()), 'sleep', '600'])\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        wait_until(lambda: any("sleep 600" in command and "pdeathsig" not in command for command in left_running()))
        process.kill()

    wait_until(lambda: not left_running())
