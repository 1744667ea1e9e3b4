"""How many pods a load needs."""

import pytest

from speechcli.load_report import Outcome, Report, report
from speechcli.sizing import size

pytestmark = pytest.mark.unit


def measured(
    clients: int,
    requests: int,
    wall_s: float,
    *,
    queue: float = 1,
    transcribe: float = 100,
    generate: float = 100,
    errors: int = 0,
) -> Report:
    """Requests of 10 s of audio each, which take as long as their stages."""
    latency_s = (queue + transcribe + generate) / 1000
    good = Outcome(latency_s, audio_s=10, queue_ms=queue, transcribe_ms=transcribe, generate_ms=generate)
    bad = Outcome(latency_s=1, error="overloaded", explanation="the queue is full")
    return report([*[good] * requests, *[bad] * errors], concurrency=clients, wall_s=wall_s)


ALONE = measured(1, 10, 10)  # 10 s of audio per second
PODS = {"whisper": 2, "ollama": 1, "bridge": 2}


def test_throughput_that_grows_with_the_clients_has_no_bottleneck() -> None:
    found = size(ALONE, measured(4, 40, 10), PODS, None, forwarded=False)

    assert found.bottleneck == ""
    assert "at least 40.0 s of audio per second" in found.sentences[0]
    assert "raise --clients" in found.sentences[0]


def test_the_stage_that_became_slower_is_the_bottleneck() -> None:
    by_whisper = size(ALONE, measured(4, 15, 10, transcribe=900, generate=300), PODS, None, forwarded=False)
    by_ollama = size(ALONE, measured(4, 15, 10, transcribe=300, generate=900), PODS, None, forwarded=False)

    assert (by_whisper.bottleneck, by_ollama.bottleneck) == ("whisper", "ollama")


def test_requests_that_wait_for_pods_wait_for_the_slower_stage() -> None:
    by_whisper = measured(4, 15, 10, queue=900, transcribe=200, generate=100)
    by_ollama = measured(4, 15, 10, queue=900, transcribe=100, generate=200)

    found = [size(ALONE, one, PODS, None, forwarded=False).bottleneck for one in (by_whisper, by_ollama)]

    assert found == ["whisper", "ollama"]


def test_the_operator_knows_the_bottleneck_best() -> None:
    loaded = measured(4, 15, 10, queue=900, transcribe=200)

    assert size(ALONE, loaded, PODS, None, forwarded=False, reported="ollama").bottleneck == "ollama"


def test_a_test_whose_last_round_is_not_full_does_not_look_saturated() -> None:
    loaded = measured(4, 17, 5 * 0.201)  # 4 rounds and 1 request: 68 % of the throughput of 4 clients

    assert size(ALONE, loaded, PODS, None, forwarded=False).bottleneck == ""


def test_pods_for_a_target_leave_room_for_waiting() -> None:
    loaded = measured(4, 20, 10, transcribe=900)  # 20 s of audio per second with 2 pods: 7 per pod at 70 %

    found = size(ALONE, loaded, PODS, 50, forwarded=False)

    assert found.pods_needed == 8
    assert (
        "50 s of audio per second need 8 pods of whisper, 2 are ready: 7.0 per pod at 70% utilization"
        in found.sentences
    )


def test_without_the_number_of_pods_none_is_computed() -> None:
    found = size(ALONE, measured(4, 20, 10, transcribe=900), {}, 50, forwarded=False)

    assert found.pods_needed is None
    assert any("unknown or changed" in limit for limit in found.limits)


def test_refusals_saturate_whatever_the_throughput() -> None:
    assert (
        size(ALONE, measured(4, 40, 10, transcribe=900, errors=5), PODS, None, forwarded=False).bottleneck == "whisper"
    )


def test_a_target_that_the_unsaturated_pipeline_meets_is_met() -> None:
    found = size(ALONE, measured(4, 40, 10), PODS, 20, forwarded=False)

    assert "the target of 20 is met" in found.sentences


def test_nothing_succeeded_is_no_verdict() -> None:
    found = size(ALONE, measured(4, 0, 10, errors=5), PODS, 20, forwarded=False)

    assert (found.bottleneck, found.pods_needed) == ("", None)


def test_the_limits_name_what_was_not_measured() -> None:
    few = size(ALONE, measured(4, 10, 10), PODS, None, forwarded=True).limits
    many = size(ALONE, measured(4, 100, 10), PODS, None, forwarded=False).limits

    assert any("port-forward" in limit for limit in few)
    assert any("10 requests are few" in limit for limit in few)
    assert not any("port-forward" in limit or "are few" in limit for limit in many)
