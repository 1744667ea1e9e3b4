from __future__ import annotations

import pytest

from speechwhisper.intake.announced import announced_seconds

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("12.5", 12.5),
        (" 7 ", 7.0),
        ("99999", 3600.0),
        ("", None),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("a minute", None),
    ],
)
def test_the_header_is_an_estimate_in_seconds(header: str, seconds: float | None) -> None:
    headers = {"Speech-Audio-Seconds": header}

    assert announced_seconds(headers, content_length=64_000, raw=False, max_seconds=3600.0) == seconds


@pytest.mark.parametrize(
    ("length", "seconds"),
    [(64_000, 2.0), (None, None), (0, None), (10**9, 3600.0)],
    ids=["2 s", "chunked", "0", "long"],
)
def test_the_size_of_raw_samples_tells_their_duration(length: int | None, seconds: float | None) -> None:
    assert announced_seconds({}, content_length=length, raw=True, max_seconds=3600.0) == seconds


def test_the_header_goes_before_the_size() -> None:
    headers = {"Speech-Audio-Seconds": "9"}

    assert announced_seconds(headers, content_length=64_000, raw=True, max_seconds=3600.0) == 9.0
