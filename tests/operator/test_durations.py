"""Durations as a SpeechPipeline has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechoperator.api.durations import canonical, seconds

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "length"),
    [("300s", 300), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1.5s", 1.5), ("1s1m", 61), ("0s", 0)],
)
def test_seconds(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize(
    ("text", "form"), [("90m", "1h30m"), ("0.5s", "500ms"), ("0h", "0s"), ("24h", "24h"), ("61000ms", "1m1s")]
)
def test_canonical_form(text: str, form: str) -> None:
    assert canonical(text) == form


@given(st.integers(0, 10**9))
def test_the_canonical_form_stands_for_the_same(milliseconds: int) -> None:
    form = canonical(f"{milliseconds // 10**6}h{milliseconds % 10**6}ms")

    assert canonical(form) == form
    assert seconds(form) == pytest.approx(milliseconds // 10**6 * 3600 + milliseconds % 10**6 / 1000)


@pytest.mark.parametrize("text", ["", "300", "1d", "-1s", "1 s", "s", "1S", "1s\n", "\u0661s", "1e3s", "1234567s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)
