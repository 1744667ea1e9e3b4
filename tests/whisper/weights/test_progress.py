"""Progress tells bytes, percent, rate and seconds left, and leaves out what is unknown."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request

import pytest

from speechwhisper.weights.progress import Meter, Progress
from speechwhisper.weights.reporting import Latest, Lines, serving

pytestmark = pytest.mark.unit


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_rate_is_unknown_until_it_has_settled() -> None:
    meter = Meter()
    assert [meter.rate(100 * second, second) for second in range(5)] == [None, None, None, 100, 100]


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = Meter()
    for second in range(20):
        meter.rate(1000 * second, second)
    assert [meter.rate(19_000, second) for second in (50, 51, 52, 53)] == [None, None, None, 0]


def test_a_file_that_starts_again_has_no_negative_rate() -> None:
    meter = Meter()
    for second in range(5):
        meter.rate(1000 * second, second)
    assert meter.rate(0, 5) is None


def test_what_is_unknown_is_left_out() -> None:
    assert Progress("small", "waiting").as_json() == {"model": "small", "stage": "waiting", "completed_bytes": 0}
    assert Progress("small", "downloading", 25, 100, 10.4).as_json() == {
        "model": "small",
        "stage": "downloading",
        "completed_bytes": 25,
        "total_bytes": 100,
        "bytes_per_second": 10,
        "eta_seconds": 7,
    }


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress("small", "waiting"), "waiting for another process that fetches small"),
        (Progress("small", "downloading", 5_000), "downloading small: 5.0 kB"),
        (
            Progress("small", "downloading", 241_000_000, 482_000_000, 12e6),
            "downloading small: 50% of 482.0 MB, 12.0 MB/s, 20 s left",
        ),
        (Progress("small", "downloading", 1, 3_000_000_000, 0.0), "downloading small: 0% of 3.0 GB, 0 B/s"),
        (Progress("small", "verifying", 100, 100), "verifying small: 100% of 100 B"),
    ],
)
def test_people_read_one_line(progress: Progress, words: str) -> None:
    assert progress.words() == words


def test_a_log_has_a_line_now_and_then_and_one_for_each_stage() -> None:
    stream, now = io.StringIO(), [0.0]
    lines = Lines("text", stream, lambda: now[0])
    for second in range(15):
        now[0] = float(second)
        lines(Progress("small", "downloading", second, 20))
    lines(Progress("small", "ready", 20, 20))

    assert stream.getvalue().splitlines() == [
        "downloading small: 0% of 20 B",
        "downloading small: 50% of 20 B",
        "ready small: 100% of 20 B",
    ]


def test_a_terminal_has_one_line_that_changes() -> None:
    stream = Terminal()
    lines = Lines("text", stream, lambda: 0.0)
    lines(Progress("small", "downloading", 5, 20))
    lines(Progress("small", "downloading", 6, 20))
    lines.fail(6, "no route to host")

    assert stream.getvalue() == (
        "\r\x1b[Kdownloading small: 25% of 20 B\r\x1b[Kdownloading small: 30% of 20 B\nerror: no route to host\n"
    )


def test_programs_read_one_json_document_per_line() -> None:
    stream = io.StringIO()
    lines = Lines("json", stream, lambda: 0.0)
    lines(Progress("small", "downloading", 5, 20))
    lines(Progress("small", "downloading", 5, 20))
    lines.fail(6, "no route to host")

    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"model": "small", "stage": "downloading", "completed_bytes": 5, "total_bytes": 20},
        {"error": "no route to host", "status": 6},
    ]


def test_progress_is_served_over_http() -> None:
    latest = Latest("small")
    with serving(latest, 0) as port:
        latest(Progress("small", "downloading", 5, 20))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/progress", timeout=10) as response:
            assert json.load(response)["completed_bytes"] == 5
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
        refused.value.close()
