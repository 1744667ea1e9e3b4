"""A stop flag wakes those who wait for something else."""

from __future__ import annotations

import threading

import pytest

from speechwhisper.recognition.port import Stop, StoppedError
from whisper.scripted import DEADLINE

pytestmark = pytest.mark.unit


def test_a_stop_that_is_not_set_stops_nothing() -> None:
    stop = Stop()
    woken: list[str] = []

    stop.on_set(lambda: woken.append("a"))
    stop.check()

    assert not stop.is_set()
    assert woken == []


def test_setting_it_wakes_all_who_asked_once_and_in_order() -> None:
    stop = Stop()
    woken: list[str] = []
    stop.on_set(lambda: woken.append("a"))
    stop.on_set(lambda: woken.append("b"))

    stop.set()
    stop.set()

    assert woken == ["a", "b"]
    assert stop.is_set()


def test_a_set_stop_raises() -> None:
    stop = Stop()
    stop.set()

    with pytest.raises(StoppedError):
        stop.check()


def test_who_asks_after_it_was_set_is_woken_at_once() -> None:
    stop = Stop()
    stop.set()
    woken: list[str] = []

    stop.on_set(lambda: woken.append("late"))

    assert woken == ["late"]


def test_the_flag_is_set_before_anyone_is_woken() -> None:
    stop = Stop()
    seen: list[bool] = []
    stop.on_set(lambda: seen.append(stop.is_set()))

    stop.set()

    assert seen == [True]


def test_a_wake_up_may_use_the_stop_itself() -> None:
    stop = Stop()
    woken: list[str] = []
    stop.on_set(lambda: stop.on_set(lambda: woken.append("inner")))

    stop.set()

    assert woken == ["inner"]


def test_it_wakes_a_thread_that_waits_for_something_else() -> None:
    stop = Stop()
    changed = threading.Condition()
    waiting = threading.Event()
    done = threading.Event()

    def wake() -> None:
        with changed:
            changed.notify_all()

    def wait() -> None:
        stop.on_set(wake)
        with changed:
            waiting.set()
            changed.wait_for(stop.is_set)
        done.set()

    threading.Thread(target=wait, daemon=True).start()
    assert waiting.wait(DEADLINE)

    stop.set()

    assert done.wait(DEADLINE)
