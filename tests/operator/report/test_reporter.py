"""Report: status and Events, each only when it is news."""

import pytest

from fakes import not_utf8
from fakes.reconciler_bench import FORBIDDEN, KEY, Bench, pipeline
from speechoperator.kube.errors import Request

pytestmark = pytest.mark.unit


async def test_the_first_report_waits_until_all_was_asked(bench: Bench) -> None:
    bench.api.have(pipeline(bridge={"ingress": {"host": "speech.example.com", "className": "traefik"}}))
    bench.api.lists.clear()
    await bench.once()
    assert bench.status == {}, "whether there is such a class is not known yet"
    bench.api.lists.set()
    await bench.news()
    await bench.once()
    assert "traefik" in bench.condition("Exposed")["message"]


async def test_a_status_that_an_older_definition_cuts_is_written_once(bench: Bench) -> None:
    bench.api.cuts = "modelsSummary"
    await bench.once()
    assert "modelsSummary" not in bench.status
    for _ in range(5):
        await bench.once()
        assert bench.api.writes == []


async def test_an_answer_that_is_not_utf8_is_reported(bench: Bench) -> None:
    async with not_utf8.answering() as url:
        bench.api.have(pipeline(whisper={"url": url}))
        await bench.once()
        await bench.news()
        await bench.once()
        assert "HTTP 502: Bad G" in bench.condition("WhisperAvailable")["message"]
        await bench.once()
        assert bench.api.writes == []


async def test_an_event_is_recorded_once(bench: Bench) -> None:
    bench.api.refuse = lambda call: (403, FORBIDDEN) if call.resource == "deployments.apps" else None
    for _ in range(5):
        await bench.once()
        bench.later(5)
    events = [thing for (kind, _, _), thing in bench.api.objects.items() if kind == "Event"]
    assert len({event["message"] for event in events}) == len(events)


async def test_one_that_went_away_before_the_report_is_no_fault(bench: Bench) -> None:
    def goes(call: Request) -> tuple[int, str] | None:
        return (404, 'speechpipelines "p" not found') if call.resource == "speechpipelines/status" else None

    bench.api.refuse = goes
    await bench.once()
    assert bench.store.pipeline(KEY) is None


async def test_a_change_that_arrives_with_the_status_is_reconciled_at_once(bench: Bench) -> None:
    """The response to the write has the change, so the watch event that reports it is no news."""
    await bench.settled()

    def user_is_faster(call: Request) -> tuple[int, str] | None:
        if call.resource == "speechpipelines/status":
            changed = bench.api.find("SpeechPipeline", "p")
            assert changed is not None
            changed["spec"]["suspend"] = False
            changed["metadata"]["generation"] = 3
            bench.api.have(changed)
        return None

    suspended = bench.api.find("SpeechPipeline", "p")
    assert suspended is not None
    suspended["spec"]["suspend"] = True
    suspended["metadata"]["generation"] = 2
    bench.api.have(suspended)
    bench.api.refuse = user_is_faster
    result = await bench.once()

    assert (bench.status["observedGeneration"], result.requeue_after) == (2, 0.1)
    bench.api.refuse = lambda _: None
    await bench.settled()
    assert bench.status["observedGeneration"] == 3


async def test_an_event_is_recorded_again_after_the_clock_was_set_back(bench: Bench) -> None:
    bench.api.refuse = lambda call: (403, FORBIDDEN) if call.resource == "deployments.apps" else None
    await bench.once()
    before = len([thing for (kind, _, _), thing in bench.api.objects.items() if kind == "Event"])
    bench.later(-3600)
    bench.api.refuse = lambda _: None
    await bench.settled()
    bench.api.refuse = lambda call: (403, FORBIDDEN) if call.resource == "deployments.apps" else None
    bench.api.objects.pop(("Deployment", "team", "p-bridge"))
    await bench.once()
    assert len([thing for (kind, _, _), thing in bench.api.objects.items() if kind == "Event"]) > before
