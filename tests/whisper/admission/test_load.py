from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.admission.load import Load
from speechwhisper.admission.retry_after import retry_after

pytestmark = pytest.mark.unit

BUSY = Load(
    held=0,
    waiting=2,
    working=1,
    slots=1,
    audio_seconds_waiting=12.5,
    audio_seconds_working=30.1,
    audio_seconds_per_second=9.80004,
    oldest_wait_seconds=1.2345,
)


def backlog(waiting: float, working: float, speed: float) -> Load:
    return Load(0, 1, 1, 1, waiting, working, speed, 0.0)


def test_as_a_header_it_is_a_dictionary_of_structured_fields() -> None:
    assert BUSY.to_header() == (
        "held=0, waiting=2, working=1, slots=1, audio_seconds_waiting=12.5, audio_seconds_working=30.1, "
        "audio_seconds_per_second=9.8, oldest_wait_seconds=1.234"
    )


def test_as_json_it_has_the_same_members() -> None:
    assert BUSY.to_json() == {
        "held": 0,
        "waiting": 2,
        "working": 1,
        "slots": 1,
        "audio_seconds_waiting": 12.5,
        "audio_seconds_working": 30.1,
        "audio_seconds_per_second": 9.8,
        "oldest_wait_seconds": 1.234,
    }


@given(st.floats(0, 1e11))
def test_every_number_is_a_decimal_of_rfc_9651(seconds: float) -> None:
    items = backlog(seconds, seconds / 3, seconds / 7).to_header().split(", ")

    for name, value in (item.split("=") for item in items):
        integer = not name.endswith(("_waiting", "_working", "_second", "_seconds"))
        assert re.fullmatch(r"\d{1,15}" if integer else r"\d{1,12}\.\d{1,3}", value), (name, value)
        assert integer or float(value) == round(float(value), 3)


@pytest.mark.parametrize(
    ("load", "seconds"),
    [
        (backlog(0.0, 0.0, 10.0), 1),
        (backlog(60.0, 41.0, 10.0), 11),
        (backlog(14400.0, 0.0, 10.0), 600),
        (backlog(40.0, 0.0, 0.0), 10),
        (backlog(1e300, 0.0, 1e-300), 600),
    ],
)
def test_retry_after_is_the_time_for_the_whole_backlog(load: Load, seconds: int) -> None:
    assert retry_after(load) == seconds
