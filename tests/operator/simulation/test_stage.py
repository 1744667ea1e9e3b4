"""Simulated pods: they start, work, drain, and cost what they cost."""

import pytest

from speechoperator.simulation.stage import Job, PodModel, Stage

pytestmark = pytest.mark.unit

MODEL = PodModel(startup=60.0, speed=10.0)


def test_a_pod_decodes_one_recording_after_the_other() -> None:
    stage = Stage(MODEL, 1)
    stage.submit([Job(0.0, 100.0), Job(0.0, 50.0)])
    stage.advance(20.0)
    assert [time for time, _ in stage.finished] == [10.0, 15.0]
    assert stage.waits == [0.0, 10.0]
    assert stage.backlog_seconds == pytest.approx(500.0)  # 50 s of audio waited for 10 s


def test_slots_share_the_speed_of_a_pod() -> None:
    stage = Stage(PodModel(60.0, 10.0, slots=2), 1)
    stage.submit([Job(0.0, 50.0), Job(0.0, 50.0)])
    stage.advance(20.0)
    assert [time for time, _ in stage.finished] == [10.0, 10.0]


def test_a_new_pod_works_only_once_it_is_ready() -> None:
    stage = Stage(MODEL, 0)
    stage.submit([Job(1.0, 10.0)])
    stage.advance(2.0)
    assert (stage.load().held, stage.load().waiting) == (1.0, 0.0)
    stage.set_replicas(1)
    assert stage.state().starting == 1
    stage.advance(100.0)
    assert stage.finished[0][0] == pytest.approx(63.0)
    assert stage.state().ready == 1


def test_a_terminating_pod_finishes_its_request_and_counts_until_then() -> None:
    stage = Stage(MODEL, 1)
    stage.submit([Job(0.0, 100.0)])
    stage.advance(1.0)
    stage.set_replicas(0)
    assert stage.state().terminating == 1
    stage.advance(30.0)
    assert len(stage.finished) == 1
    assert stage.state().terminating == 0
    assert stage.pod_seconds == pytest.approx(10.0)


def test_idle_pods_are_terminated_before_busy_ones() -> None:
    stage = Stage(MODEL, 2)
    stage.submit([Job(0.0, 100.0)])
    stage.advance(1.0)
    stage.set_replicas(1)
    stage.advance(5.0)
    assert (stage.state().ready, stage.state().terminating, len(stage.pods[0].finishes)) == (1, 0, 1)


def test_the_load_is_what_the_pods_would_report() -> None:
    stage = Stage(MODEL, 1)
    stage.submit([Job(0.0, 100.0), Job(2.0, 30.0)])
    stage.advance(4.0)
    load = stage.load()
    assert (load.working, load.waiting, load.busy) == (1.0, 1.0, 1.0)
    assert load.audio_seconds_working == pytest.approx(60.0)
    assert load.audio_seconds_waiting == pytest.approx(30.0)
    assert load.oldest_wait_seconds == pytest.approx(2.0)
