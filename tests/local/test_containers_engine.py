"""The container engine: which one is used, started and stopped. Scripts stand for Docker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from repository import tracked
from speechlocal import debian
from speechlocal.containers import engine
from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit

# An engine that answers from when it has started until it ends
DOCKERD = """#!/bin/sh
echo $$ > {folder}/running
trap 'rm -f {folder}/running; exit 0' TERM
while :; do sleep 0.05; done
"""
DOCKER = """#!/bin/sh
[ -e {folder}/running ] || {{ echo 'Cannot connect to the Docker daemon' >&2; exit 1; }}
[ "$1" = ps ] && cat {folder}/containers 2>/dev/null
exit 0
"""
RULES = """*filter
:FORWARD ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:LIMITS - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -j LIMITS
-A DOCKER-USER -j RETURN
COMMIT
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Root on Debian without a running engine; the folder has the files of the scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "docker": DOCKER,
        "dockerd": DOCKERD,
        "iptables": "#!/bin/sh\n",
        "iptables-save": f"#!/bin/sh\ncat <<'END'\n{RULES}END\n",
        "iptables-restore": "#!/bin/sh\ncat > {folder}/restored\n",
        "ip": '#!/bin/sh\n[ "$2" = delete ] && echo "$@" > {folder}/deleted\nexit 0\n',
    }.items():
        (folder / name).write_text(text.replace("{folder}", str(folder)).replace("{{", "{").replace("}}", "}"))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(engine, "SYSTEMD", tmp_path / "no-systemd")
    monkeypatch.setattr(engine, "FORWARDING", tmp_path / "ip_forward")
    (tmp_path / "ip_forward").write_text("1\n")
    yield folder
    if ours := engine.started_here():
        os.kill(ours.pid, signal.SIGKILL)


def quiet(_text: str) -> None:
    pass


def test_an_engine_that_answers_is_used_and_never_stopped(machine: Path) -> None:
    (machine / "running").touch()
    engine.ensure(pytest.fail)

    assert engine.started_here() is None
    assert engine.stop_if_unused() is False
    assert (machine / "running").exists()


def test_without_one_it_is_started_and_stopped_again(machine: Path) -> None:
    engine.ensure(quiet)
    ours = engine.started_here()

    assert ours is not None
    assert ours.pid == int((machine / "running").read_text())
    assert engine.stop_if_unused() is True
    assert engine.started_here() is None
    assert not (machine / "running").exists()
    assert not engine.record().exists()


def test_concurrent_callers_start_one_engine(machine: Path) -> None:
    starts = machine / "starts"
    (machine / "dockerd").write_text((machine / "dockerd").read_text().replace("\n", f"\necho >> {starts}\n", 1))
    with ThreadPoolExecutor() as pool:
        list(pool.map(engine.ensure, [quiet] * 4))
    ours = engine.started_here()

    assert starts.read_text() == "\n"
    assert ours is not None
    assert ours.pid == int((machine / "running").read_text())


def test_it_is_left_running_while_a_container_runs(machine: Path) -> None:
    engine.ensure(quiet)
    (machine / "containers").write_text("63e88d744e97\n")

    assert engine.stop_if_unused() is False
    assert engine.started_here() is not None


def test_it_is_left_running_until_no_process_uses_it(machine: Path) -> None:
    with engine.in_use(quiet):
        with engine.in_use(quiet):
            pass
        assert engine.stop_if_unused() is False
        assert (machine / "running").exists()

    assert engine.started_here() is None
    assert not (machine / "running").exists()


def test_one_that_is_held_is_left_running(machine: Path) -> None:
    with engine.held(quiet):
        assert engine.stop_if_unused() is False

    assert (machine / "running").exists()
    assert engine.stop_if_unused() is True


def test_every_command_that_needs_it_keeps_others_from_stopping_it() -> None:
    modules = [path for path in tracked("local/speechlocal/*.py") if path != Path(engine.__file__)]

    assert any("engine.held(" in module.read_text(encoding="utf-8") for module in modules)
    assert [module for module in modules if "engine.ensure(" in module.read_text(encoding="utf-8")] == []


def test_its_bridge_and_its_firewall_rules_are_removed(machine: Path, tmp_path: Path) -> None:
    (tmp_path / "ip_forward").write_text("0\n")
    engine.ensure(quiet)
    (tmp_path / "ip_forward").write_text("1\n")  # as dockerd does
    engine.stop()

    assert (machine / "deleted").read_text() == "link delete docker0\n"
    assert (machine / "restored").read_text() == engine.without_engine_rules(RULES)
    assert (tmp_path / "ip_forward").read_text() == "0"


def test_only_the_engines_firewall_rules_are_removed() -> None:
    assert engine.without_engine_rules(RULES).splitlines() == [
        "*filter",
        ":FORWARD ACCEPT [0:0]",
        ":LIMITS - [0:0]",
        "-A FORWARD -j LIMITS",
        "COMMIT",
    ]


@pytest.mark.usefixtures("machine")
def test_a_process_with_a_reused_pid_is_not_stopped() -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        started = engine.start_time(other.pid)
        assert started is not None
        engine.folder().mkdir(parents=True)
        for record in (
            {"pid": other.pid, "start_time": started - 1, "boot": engine.boot_id()},
            {"pid": other.pid, "start_time": started, "boot": "before the reboot"},
            {"pid": 2**22 + 1, "start_time": started, "boot": engine.boot_id()},
        ):
            engine.record().write_text(json.dumps(record))
            assert engine.started_here() is None
            engine.stop()
        assert other.poll() is None
    finally:
        other.communicate(b"\n")


@pytest.mark.usefixtures("machine")
def test_a_truncated_record_is_ignored() -> None:
    engine.folder().mkdir(parents=True)
    engine.record().write_text('{"pid": 1')

    assert engine.started_here() is None


def test_an_engine_that_does_not_start_shows_its_log(machine: Path) -> None:
    (machine / "dockerd").write_text("#!/bin/sh\necho 'failed to mount overlay: operation not permitted' >&2; exit 1\n")

    with pytest.raises(LocalError, match="failed to mount overlay"):
        engine.ensure(quiet)
    assert engine.started_here() is None


@pytest.mark.usefixtures("machine")
def test_an_unprivileged_user_gets_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "can_install", lambda: False)

    with pytest.raises(MissingError, match="no container engine answers") as raised:
        engine.ensure(quiet)
    assert "start Docker" in raised.value.advice


def test_missing_packages_are_installed_first(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = (machine / "dockerd").read_text()
    (machine / "dockerd").unlink()
    installed: list[str] = []

    def install(packages: list[debian.Package]) -> None:
        installed.extend(package.name for package in packages)
        (machine / "dockerd").write_text(kept)
        (machine / "dockerd").chmod(0o755)

    monkeypatch.setattr(debian, "install", install)
    monkeypatch.setenv("PATH", f"{machine}:/bin")
    monkeypatch.setattr(engine, "PACKAGES", (debian.Package("docker.io", str(machine / "dockerd"), "the cluster"),))

    engine.ensure(quiet)

    assert installed == ["docker.io"]
    assert engine.started_here() is not None
