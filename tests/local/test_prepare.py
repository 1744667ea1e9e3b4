"""What prepare does about missing packages and programs; nothing is installed or built here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from speechlocal import client_packages, debian, locks, models, ollama, programs
from speechlocal.__main__ import main
from speechlocal.cluster import builds
from speechlocal.containers import engine
from speechlocal.debian import Package
from speechlocal.errors import LocalError, MissingError
from speechlocal.jobs import Job
from speechlocal.offline import go_programs, ollama_build

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

NOT_THERE = Package("dancing", "dance", "the dance tests")


@pytest.fixture(autouse=True)
def all_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PACKAGES", ())
    monkeypatch.setattr(ollama, "find", lambda: "/usr/bin/ollama")
    monkeypatch.setattr(models, "whisper_base_weights", lambda: None)
    monkeypatch.setattr(client_packages, "missing", lambda: False)
    monkeypatch.setattr(debian, "can_install", lambda: False)
    monkeypatch.setattr(engine, "ensure", lambda _: None)
    monkeypatch.setattr(engine, "started_here", lambda: None)
    monkeypatch.setattr(engine, "stop_if_unused", lambda: False)
    monkeypatch.setattr(engine, "users", lambda: tmp_path / "users")
    monkeypatch.setattr(builds, "find_missing", lambda: None)
    monkeypatch.setattr(builds, "jobs", lambda _missing, tests: [])  # noqa: ARG005 - a double


def test_it_prints_nothing_if_nothing_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare"]) == 0
    assert capsys.readouterr().out == ""


def test_without_root_it_lists_what_to_install_and_for_which_tests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debian, "PACKAGES", (NOT_THERE,))

    assert main(["prepare"]) == 0
    said = capsys.readouterr().out
    assert "missing: dancing (apt-get install dancing): the dance tests" in said
    assert "fail if CI is set" in said


def test_without_npm_the_clients_are_listed_with_the_tests_that_need_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    python = client_packages._python_folder()
    python.mkdir(parents=True)
    (python / "complete").touch()
    monkeypatch.setattr(client_packages, "missing", lambda: True)

    assert main(["prepare", "--fast"]) == 0
    said = capsys.readouterr().out
    assert "npm was not found\ninstall Node 20 or newer" in said
    assert "missing: the tests of clients that others wrote (tests/clients)" in said
    with pytest.raises(MissingError, match="not installed"):
        client_packages.node_modules()
    assert client_packages.python() == python / "bin" / "python"


def test_missing_weights_are_listed_with_the_tests_that_need_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise MissingError("not installed", "install it")

    monkeypatch.setattr(models, "whisper_base_weights", fail)

    assert main(["prepare", "--fast"]) == 0
    assert "missing: the weights of Whisper base: component tests of other languages" in capsys.readouterr().out


def test_with_root_it_installs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    installed: list[Package] = []
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "missing", lambda fast: [] if installed else [NOT_THERE])  # noqa: ARG005 - a double
    monkeypatch.setattr(debian, "install", installed.extend)

    assert main(["prepare"]) == 0
    assert installed == [NOT_THERE]
    assert "missing" not in capsys.readouterr().out


def test_the_browser_is_left_out_when_it_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PACKAGES", (NOT_THERE, Package("browser", "browse", "the page", fast=False)))

    assert debian.missing(fast=True) == [NOT_THERE]
    assert len(debian.missing()) == 2


def test_only_missing_packages_are_installed_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[Package] = []
    heard: list[str] = []
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "install", installed.extend)

    debian.ensure([Package("shell", "sh", "all"), NOT_THERE, NOT_THERE], heard.append)

    assert installed == [NOT_THERE]
    assert heard == ["installing dancing"]


def test_without_permission_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "install", lambda _: pytest.fail("it is not allowed"))

    debian.ensure([NOT_THERE], lambda _: pytest.fail("nothing is installed"))


def test_fast_tests_need_nothing_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ensure", lambda _: pytest.fail("no engine is needed"))

    assert main(["prepare", "--fast"]) == 0


def test_without_an_engine_the_api_server_of_the_cluster_tests_is_still_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def refuse(_: object) -> None:
        raise MissingError("no container engine answers", "start Docker")

    monkeypatch.setattr(engine, "ensure", refuse)
    monkeypatch.setattr(programs, "find", lambda name: None if name in {"kube-apiserver", "kubelet"} else name)
    monkeypatch.setattr(go_programs, "ensure", lambda names, _: done.extend(names))

    assert main(["prepare"]) == 0
    assert done == ["kube-apiserver"]
    said = capsys.readouterr().out
    assert "start Docker" in said
    assert "missing: a container engine: the tests of the tier e2e" in said


def test_an_engine_that_was_started_for_the_images_is_stopped_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr(engine, "stop_if_unused", lambda: stopped.append(True))

    assert main(["prepare"]) == 0
    assert stopped == [True]


def test_an_engine_that_ran_already_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "started_here", lambda: engine.Started(1, 1, ""))
    monkeypatch.setattr(engine, "stop_if_unused", lambda: pytest.fail("it was not started here"))

    assert main(["prepare"]) == 0


def test_no_process_stops_the_engine_while_images_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    unused: list[bool] = []

    def build(_: object) -> None:
        with locks.unless_shared(engine.users()) as alone:
            unused.append(alone)

    monkeypatch.setattr(builds, "jobs", lambda _missing, tests: [Job("node image", build)])  # noqa: ARG005 - a double

    assert main(["prepare"]) == 0
    assert unused == [False]


def test_a_failed_image_is_shown_and_listed_as_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise LocalError("docker build failed: no space left on device")

    monkeypatch.setattr(builds, "jobs", lambda _missing, tests: [Job("node image", fail)])  # noqa: ARG005 - a double

    assert main(["prepare"]) == 0
    said = capsys.readouterr().out
    assert "no space left on device" in said
    assert "missing: programs and images of the local cluster" in said


def test_missing_requirements_of_ollama_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ollama, "find", lambda: None)
    monkeypatch.setenv("PATH", "/nonexistent")

    assert main(["prepare"]) == 0
    said = capsys.readouterr().out
    assert "to build it: Go 1.24 or newer" in said
    assert "a C++ compiler" in said


def test_a_failed_build_of_ollama_is_shown_and_the_other_tests_still_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise LocalError("Ollama could not be built:\nundefined reference")

    monkeypatch.setattr(ollama, "find", lambda: None)
    monkeypatch.setattr(ollama_build, "missing_requirements", list)
    monkeypatch.setattr(ollama_build, "build", fail)

    assert main(["prepare"]) == 0
    assert "undefined reference" in capsys.readouterr().out
