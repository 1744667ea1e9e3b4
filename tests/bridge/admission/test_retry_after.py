"""The audio in progress, and the Retry-After computed from it."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.running import Bridge
from fakes.gates import Point
from fakes.whisper import FakeAsrWebservice
from speechbridge.admission.retry_after import Backlog

pytestmark = pytest.mark.unit


def test_the_backlog_is_audio_that_waits_and_audio_that_is_worked_on() -> None:
    backlog = Backlog()
    for _ in range(100):
        backlog.observe(audio_seconds=60, work_seconds=30)

    with backlog.entry(100) as start_work, backlog.entry(50):
        start_work()
        assert (backlog.working, backlog.waiting) == (100, 50)
        assert backlog.retry_after(queued=0, slots=1) == 75
        assert backlog.retry_after(queued=0, slots=3) == 25
        assert backlog.retry_after(queued=4, slots=1) == pytest.approx(75 + 4 * 60 / 2, abs=1)

    assert (backlog.working, backlog.waiting) == (0, 0)


def test_an_upload_in_progress_counts_as_far_as_it_has_arrived() -> None:
    backlog, arrived = Backlog(), [20.0]

    with backlog.arriving(lambda: arrived[0]):
        assert backlog.pending(queued=0) == 20
        arrived[0] = 40
        assert backlog.pending(queued=0) == 40
        assert backlog.retry_after(queued=0, slots=1) == 10  # at the initial pace

    assert backlog.pending(queued=0) == 0


def test_a_queued_request_counts_as_long_as_recordings_usually_are() -> None:
    backlog = Backlog()
    for _ in range(100):
        backlog.observe(audio_seconds=60, work_seconds=30)

    assert backlog.pending(queued=3) == pytest.approx(180)


def test_an_hour_weighs_more_for_the_pace_than_many_short_commands() -> None:
    backlog = Backlog()

    backlog.observe(audio_seconds=3600, work_seconds=360)
    for _ in range(10):
        backlog.observe(audio_seconds=1, work_seconds=2)

    assert backlog.pace == pytest.approx((360 + 20) / 3610, rel=0.4)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=30), st.integers(0, 1000), st.integers(1, 64))
def test_what_is_told_is_always_a_sensible_number(seen: list[tuple[float, float]], queued: int, slots: int) -> None:
    backlog = Backlog()
    for audio, work in seen:
        backlog.observe(audio, work)

    assert 1 <= backlog.retry_after(queued, slots) <= 600


def test_the_speed_that_pods_report_counts_however_long_each_request_took() -> None:
    backlog = Backlog(lambda: (17.0, 13.0))
    for _ in range(16):
        backlog.observe(audio_seconds=300, work_seconds=1050)

    with backlog.entry(3000):
        assert backlog.retry_after(queued=0, slots=32) == 100
    assert backlog.best_pace == pytest.approx(1 / 17)
    assert backlog.speed == pytest.approx(15)


def test_short_commands_tell_nothing_about_how_long_an_hour_takes() -> None:
    """On a CPU each takes as long as a whole window of 30 s: a pod that has done nothing else reports a low speed."""
    backlog = Backlog(lambda: (0.35,))
    for _ in range(100):
        backlog.observe(audio_seconds=1.4, work_seconds=4)

    assert backlog.best_pace is None


def test_after_short_commands_long_recordings_count_as_they_went() -> None:
    backlog = Backlog(lambda: (0.35,))
    backlog.observe(audio_seconds=1.4, work_seconds=4)

    backlog.observe(audio_seconds=120, work_seconds=36)

    assert backlog.best_pace == pytest.approx(0.3)


def test_the_speed_that_pods_report_refuses_nothing_once_no_long_recording_confirms_it() -> None:
    now = [0.0]
    backlog = Backlog(lambda: (0.35,), lambda: now[0])
    backlog.observe(audio_seconds=120, work_seconds=480)
    measured = backlog.best_pace

    now[0] = 601.0
    backlog.observe(audio_seconds=1.4, work_seconds=4)

    assert measured == pytest.approx(1 / 0.35)
    assert backlog.best_pace is None


def test_what_requests_took_on_shared_pods_is_no_speed_while_there_is_no_pod() -> None:
    speeds = [17.0]
    backlog = Backlog(lambda: tuple(speeds))
    for _ in range(16):
        backlog.observe(audio_seconds=300, work_seconds=1050)

    speeds.clear()

    assert (backlog.best_pace, backlog.speed) == (None, None)
    with backlog.entry(1700):
        assert backlog.retry_after(queued=0, slots=1) == 100


def test_a_pod_without_a_measured_speed_counts_as_the_others() -> None:
    backlog = Backlog(lambda: (20.0, 0.0))

    with backlog.entry(1200):
        assert backlog.retry_after(queued=0, slots=32) == 30


def test_the_slots_of_a_pod_that_has_measured_nothing_are_not_as_many_pods() -> None:
    backlog = Backlog(lambda: (0.0,))
    for _ in range(5):
        backlog.observe(audio_seconds=60, work_seconds=15)

    with backlog.entry(400):
        assert backlog.retry_after(queued=0, slots=16) == 100
    assert (backlog.best_pace, backlog.speed) == (None, None)


def test_a_pace_that_no_transcript_confirms_rejects_nothing_for_ever() -> None:
    now = [0.0]
    backlog = Backlog(clock=lambda: now[0])
    for _ in range(5):
        backlog.observe(audio_seconds=300, work_seconds=1050)
    measured = backlog.best_pace

    now[0] = 601.0

    assert measured == pytest.approx(3.5)
    assert backlog.best_pace is None
    assert backlog.speed == pytest.approx(1 / 3.5, rel=0.1)


def test_a_pace_that_has_expired_does_not_count_again_after_one_more_recording() -> None:
    now = [0.0]
    backlog = Backlog(clock=lambda: now[0])
    for _ in range(5):
        backlog.observe(audio_seconds=300, work_seconds=1050)

    now[0] = 601.0
    for _ in range(5):
        backlog.observe(audio_seconds=60, work_seconds=6)

    assert backlog.best_pace == pytest.approx(0.1)


async def test_the_audio_that_waits_is_told_in_seconds(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    asking = [asyncio.create_task(bridge.json()) for _ in range(3)]
    await bridge.until(lambda: bridge.service.whisper.waiting == 2)

    async with bridge.client.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    gate.release()
    await asyncio.gather(*asking)

    waiting = next(float(line.split()[1]) for line in lines if line.startswith("speechbridge_audio_waiting_seconds "))
    assert waiting == pytest.approx(2.0, abs=0.1)
