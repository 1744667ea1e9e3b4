"""Warnings: Events of unhealthy objects."""

import pytest

from speechoperator.kube.objects import Object
from speechoperator.observe import warnings

pytestmark = pytest.mark.unit


def event(second: int, message: str, kind: str = "Warning", reason: str = "x") -> Object:
    at = f"2026-11-23T12:00:{second:02}Z"
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": at, "metadata": {}}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], ""),
        ([event(1, "secret not found")], "secret not found"),
        ([event(1, "old"), event(2, "new")], "new"),
        ([event(1, "no node"), event(2, "pulling", "Normal")], ""),
        ([event(1, "pulling", "Normal"), event(1, "no image")], "no image"),
        ([event(1, "no class is set", "Normal", "FailedBinding")], "no class is set"),
        ([{"type": "Warning", "message": "a", "eventTime": "2026-11-23T12:00:01.5Z", "metadata": {}}], "a"),
    ],
)
def test_only_a_warning_that_is_the_last_word_counts(events: list[Object], said: str) -> None:
    assert warnings.newest_warning(events) == said
