"""What prepare does with what is missing; nothing is installed or built here."""

from __future__ import annotations

import pytest

from speechlocal import debian, ollama, ollama_build
from speechlocal.__main__ import main
from speechlocal.debian import Package
from speechlocal.errors import LocalError

pytestmark = pytest.mark.unit

NOT_THERE = Package("dancing", "dance", "the dance tests")


@pytest.fixture(autouse=True)
def all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PACKAGES", ())
    monkeypatch.setattr(ollama, "find", lambda: "/usr/bin/ollama")
    monkeypatch.setattr(debian, "can_install", lambda: False)


def test_nothing_is_said_when_all_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare"]) == 0
    assert capsys.readouterr().out == ""


def test_without_root_it_says_what_to_install_and_for_which_tests(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(debian, "PACKAGES", (NOT_THERE,))

    assert main(["prepare"]) == 0
    said = capsys.readouterr().out
    assert "missing: dancing (apt-get install dancing): the dance tests" in said
    assert "fail where CI is set" in said


def test_with_root_it_installs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    installed: list[Package] = []
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "missing", lambda browser: [] if installed else [NOT_THERE])  # noqa: ARG005 - a double
    monkeypatch.setattr(debian, "install", installed.extend)

    assert main(["prepare"]) == 0
    assert installed == [NOT_THERE]
    assert "missing" not in capsys.readouterr().out


def test_the_browser_is_left_out_when_it_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "PACKAGES", (NOT_THERE, Package("browser", "browse", "the page", browser=True)))

    assert debian.missing(browser=False) == [NOT_THERE]
    assert len(debian.missing(browser=True)) == 2


def test_what_a_build_of_ollama_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ollama, "find", lambda: None)
    monkeypatch.setenv("PATH", "/nonexistent")

    assert main(["prepare"]) == 0
    said = capsys.readouterr().out
    assert "to build it: Go 1.24 or newer" in said
    assert "a C++ compiler" in said


def test_a_build_that_fails_is_shown_and_the_other_tests_still_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> None:
        raise LocalError("Ollama could not be built:\nundefined reference")

    monkeypatch.setattr(ollama, "find", lambda: None)
    monkeypatch.setattr(ollama_build, "what_is_missing", list)
    monkeypatch.setattr(ollama_build, "build", fail)

    assert main(["prepare"]) == 0
    assert "undefined reference" in capsys.readouterr().out
