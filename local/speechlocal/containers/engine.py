"""The container engine: the one that runs, or one that this project starts and stops again.

Where none answers, root on Debian gets one: Docker from Debian's packages, as a plain process where no systemd runs
it. That process is written down with its start time, so that no other is ever stopped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import debian, locks, paths
from speechlocal.containers import command, docker
from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGES = (
    debian.Package("docker.io", "dockerd", "the local cluster"),
    debian.Package("docker-cli", "docker", "the local cluster"),  # of its own from Debian 13 on
    debian.Package("iptables", "iptables", "the local cluster"),
)
# runc for containers that ask for more rights than this machine's root has
RUNTIME = paths.REPOSITORY / "local" / "offline" / "node" / "runc"
RUNTIME_NAME = "speechpipeline"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = "docker0"
ENGINES_RULE = re.compile(rf"\bDOCKER\b|\b{BRIDGE}\b")
SYSTEMD = Path("/run/systemd/system")
START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
POLL_S = 0.1
SHOWN_LOG = 1500
START_TIME_FIELD = 19  # of /proc/PID/stat, counted after the name: field 22 in proc(5)


@dataclass(frozen=True)
class Started:
    """An engine that was started here; `start_time` (ticks since the boot) tells its process from a later namesake."""

    pid: int
    start_time: int
    boot: str
    forwarded: bool = True  # whether the machine forwarded packets before: the engine makes it do so

    def alive(self) -> bool:
        """Tell whether that very process still runs."""
        return self.boot == boot_id() and self.start_time == start_time(self.pid)


def ensure(say: Callable[[str], None]) -> None:
    """Return when an engine answers, after starting one where that is needed and allowed.

    Raises:
        MissingError: none answers, and this user cannot start one.
        LocalError: it did not start; with the end of its log.
    """
    if docker.answers():
        return
    if not debian.can_install():
        raise MissingError(
            "no container engine answers",
            "start Docker (https://docs.docker.com/engine/install), or run this as root on Debian, which starts one",
        )
    with locks.held(folder() / "lock", lambda: say("waiting for another process that starts the container engine")):
        if docker.answers():
            return
        install(say)
        say("starting the container engine")
        if SYSTEMD.is_dir():
            command.run(["systemctl", "start", "docker"], advice="journalctl --unit docker")
        else:
            start()


def install(say: Callable[[str], None]) -> None:
    """Install the engine's packages where they are missing."""
    for package in PACKAGES:
        if not package.present():
            say(f"installing {package.name}")
            debian.install([package])


def start() -> None:
    """Start an engine as a process that outlives this one; raise LocalError with the end of its log when it fails."""
    runtime = folder() / "runc"  # a copy: the engine may outlive this checkout
    shutil.copyfile(RUNTIME, runtime)
    runtime.chmod(0o755)
    options = (f"--add-runtime={RUNTIME_NAME}={runtime}", f"--default-runtime={RUNTIME_NAME}")
    forwarded = FORWARDING.read_text().strip() == "1"
    log = folder() / "dockerd.log"
    pid = spawned(["dockerd", *options], log)
    since = start_time(pid)
    if since is not None:
        record().write_text(json.dumps(asdict(Started(pid, since, boot_id(), forwarded))))
    deadline = time.monotonic() + START_WITHIN_S
    while not docker.answers():
        if start_time(pid) is None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-SHOWN_LOG:]
            stop()
            raise LocalError(f"dockerd did not start; the end of {log}:\n{said}")
        time.sleep(POLL_S)


def spawned(words: list[str], log: Path) -> int:
    """Start a program in a session of its own, so that it outlives this one, and return its process id."""
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        redirected = [(os.POSIX_SPAWN_DUP2, null, 0), *((os.POSIX_SPAWN_DUP2, output, number) for number in (1, 2))]
        return os.posix_spawnp(words[0], words, os.environ, file_actions=redirected, setsid=True)
    finally:
        os.close(null)
        os.close(output)


def stop_if_unused() -> bool:
    """Stop the engine when it was started here and no container runs in it; tell whether it was stopped."""
    ours = started_here()
    if ours is None or docker.docker("ps", "--quiet"):
        return False
    stop()
    return True


def stop() -> None:
    """Stop the engine that was started here, and take away what it leaves behind in the network."""
    ours = started_here()
    if ours is None:
        return
    os.kill(ours.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN_S
    while ours.alive():
        if time.monotonic() > deadline:
            os.kill(ours.pid, signal.SIGKILL)
        time.sleep(POLL_S)
    record().unlink()
    if command.succeeds(["ip", "link", "show", BRIDGE]):
        command.run(["ip", "link", "delete", BRIDGE])
    command.run(["iptables-restore"], stdin=without_ours(command.run(["iptables-save"])))
    if not ours.forwarded:
        FORWARDING.write_text("0")


def without_ours(rules: str) -> str:
    """Return what `iptables-save` said without the engine's chains and rules."""
    return "".join(f"{line}\n" for line in rules.splitlines() if not ENGINES_RULE.search(line))


def started_here() -> Started | None:
    """Return the engine that was started here and still runs, or None."""
    try:
        known = Started(**json.loads(record().read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return known if known.alive() else None


def start_time(pid: int) -> int | None:
    """Return when a process was started, in ticks since the boot, or None when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else int(fields[START_TIME_FIELD - 1])


def boot_id() -> str:
    """Return what names this run of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def folder() -> Path:
    """Return where the engine's log and the record of it are kept."""
    return paths.cache() / "engine"


def record() -> Path:
    """Return the file that says which engine was started here."""
    return folder() / "started.json"
