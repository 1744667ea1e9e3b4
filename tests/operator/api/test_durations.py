"""Durations in a SpeechPipeline."""

import pytest

from speechoperator.api.durations import seconds

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "length"),
    [("300s", 300), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1.5s", 1.5), ("1s1m", 61), ("0s", 0)],
)
def test_a_duration_in_seconds(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "300", "1d", "-1s", "1 s", "s", "1S", "1s\n", "\u0661s", "1e3s", "1234567s"])
def test_an_invalid_duration_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)
