"""The container engine: the running one, or one that this project starts and stops.

If none responds, and this user is root on Debian, Docker is installed from Debian's packages and started, as a plain
process if there is no systemd. The process is recorded with its start time, so that no other process is ever stopped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import debian, locks, paths
from speechlocal.containers import command, docker
from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechlocal.progress import Report

PACKAGES = (
    debian.Package("docker.io", "dockerd", "the local cluster"),
    debian.Package("docker-cli", "docker", "the local cluster"),  # a separate package since Debian 13
    debian.Package("iptables", "iptables", "the local cluster"),
)
RUNTIME_NAME = "speechpipeline"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = "docker0"
ENGINE_RULE = re.compile(rf"\bDOCKER\b|\b{BRIDGE}\b")
SYSTEMD = Path("/run/systemd/system")
START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
POLL_S = 0.1
SHOWN_LOG = 1500
START_TIME_FIELD = 19  # of /proc/PID/stat, counted from the field after the name: field 22 in proc(5)


@dataclass(frozen=True)
class Started:
    """An engine that was started here; `start_time` (ticks since boot) identifies its process if the pid is reused."""

    pid: int
    start_time: int
    boot: str
    forwarded: bool = True  # whether IP forwarding was on before; the engine turns it on

    def alive(self) -> bool:
        """Return whether the recorded process still runs, and not another one with its pid."""
        return self.boot == boot_id() and self.start_time == start_time(self.pid)


def ensure(report: Report) -> None:
    """Return when an engine answers, after starting one if that is needed and allowed.

    Raises:
        MissingError: none answers, and this user cannot start one.
        LocalError: it did not start; the message has the end of its log.
    """
    if docker.answers():
        return
    if not debian.can_install():
        raise MissingError(
            "no container engine answers",
            "start Docker (https://docs.docker.com/engine/install), or run this as root on Debian to have it started",
        )
    with locks.held(folder() / "lock", lambda: report("waiting for another process that starts the container engine")):
        if docker.answers():
            return
        install(report)
        report("starting the container engine")
        if SYSTEMD.is_dir():
            command.run(["systemctl", "start", "docker"], advice="journalctl --unit docker")
        else:
            start()


@contextmanager
def held(report: Report) -> Iterator[None]:
    """Have an engine within the block, where no process stops it: not even between two containers, or in a build.

    It runs on afterwards, for what its user does next with the images or containers.

    Raises:
        MissingError: as `ensure`.
        LocalError: as `ensure`.
    """
    with locks.shared(users()):
        ensure(report)
        yield


@contextmanager
def in_use(report: Report) -> Iterator[None]:
    """Have an engine within the block, as `held`, and stop it afterwards if nothing needs it any more.

    That is if it was started here, runs no container, and no other process is within such a block.

    Raises:
        MissingError: as `ensure`.
        LocalError: as `ensure`.
    """
    try:
        with held(report):
            yield
    finally:
        stop_if_unused()


def install(report: Report) -> None:
    """Install the engine's missing packages."""
    for package in PACKAGES:
        if not package.present():
            report(f"installing {package.name}")
            debian.install([package])


def start() -> None:
    """Start an engine that outlives this process; raise LocalError with the end of its log if it does not start."""
    runtime = folder() / "runc"  # a copy: the engine may outlive this checkout
    shutil.copyfile(paths.CONTAINER_RUNTIME, runtime)
    runtime.chmod(0o755)
    options = (f"--add-runtime={RUNTIME_NAME}={runtime}", f"--default-runtime={RUNTIME_NAME}")
    forwarded = FORWARDING.read_text().strip() == "1"
    log = folder() / "dockerd.log"
    pid = spawn(["dockerd", *options], log)
    since = start_time(pid)
    if since is not None:
        record().write_text(json.dumps(asdict(Started(pid, since, boot_id(), forwarded))))
    deadline = time.monotonic() + START_WITHIN_S
    while not docker.answers():
        if start_time(pid) is None or time.monotonic() > deadline:
            end = log.read_text(errors="replace")[-SHOWN_LOG:]
            stop()
            raise LocalError(f"dockerd did not start; the end of {log}:\n{end}")
        time.sleep(POLL_S)


def spawn(words: list[str], log: Path) -> int:
    """Start a program in a new session, so that it outlives this process, and return its pid."""
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        redirected = [(os.POSIX_SPAWN_DUP2, null, 0), *((os.POSIX_SPAWN_DUP2, output, number) for number in (1, 2))]
        return os.posix_spawnp(words[0], words, os.environ, file_actions=redirected, setsid=True)
    finally:
        os.close(null)
        os.close(output)


def stop_if_unused() -> bool:
    """Stop the engine if it was started here, runs no container and is not `held`; return whether it was stopped."""
    with locks.unless_shared(users()) as unused:
        if not unused or started_here() is None or docker.docker("ps", "--quiet"):
            return False
        stop()
        return True


def stop() -> None:
    """Stop the engine that was started here, and remove its bridge and its firewall rules."""
    started = started_here()
    if started is None:
        return
    os.kill(started.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN_S
    while started.alive():
        if time.monotonic() > deadline:
            os.kill(started.pid, signal.SIGKILL)
        time.sleep(POLL_S)
    record().unlink()
    if command.succeeds(["ip", "link", "show", BRIDGE]):
        command.run(["ip", "link", "delete", BRIDGE])
    command.run(["iptables-restore"], stdin=without_engine_rules(command.run(["iptables-save"])))
    if not started.forwarded:
        FORWARDING.write_text("0")


def without_engine_rules(rules: str) -> str:
    """Return the output of `iptables-save` without the engine's chains and rules."""
    return "".join(f"{line}\n" for line in rules.splitlines() if not ENGINE_RULE.search(line))


def started_here() -> Started | None:
    """Return the engine that was started here, if it still runs."""
    try:
        known = Started(**json.loads(record().read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return known if known.alive() else None


def start_time(pid: int) -> int | None:
    """Return when a process was started, in ticks since boot, or None if it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[START_TIME_FIELD - 1])


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def folder() -> Path:
    """Return the folder of the engine's log and record."""
    return paths.cache() / "engine"


def record() -> Path:
    """Return the file that records which engine was started here."""
    return folder() / "started.json"


def users() -> Path:
    """Return the file that processes lock while they use the engine."""
    return folder() / "users"
