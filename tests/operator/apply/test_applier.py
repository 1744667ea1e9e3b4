"""Apply: what is done about writes that something else reverts."""

from typing import Any

import pytest

from fakes.reconciler_bench import Bench

pytestmark = pytest.mark.unit


async def test_what_a_webhook_changes_back_is_not_fought_over(bench: Bench) -> None:
    def meddle(body: dict[str, Any]) -> None:
        if body["kind"] == "Deployment":
            body["spec"]["replicas"] = 9

    bench.api.webhook = meddle
    writes = 0
    for _ in range(100):
        result = await bench.once()
        writes += sum(call.name == "p-bridge" for call in bench.api.writes if call.resource == "deployments.apps")
        assert result.requeue_after is not None
        bench.later(1)
    assert writes <= 8, "the pauses double"
    assert "reverts it" in str(bench.status["conditions"])
    bench.api.webhook = lambda _: None
    bench.later(600)
    await bench.settled()
    assert "reverts it" not in str(bench.status["conditions"])


async def test_a_webhook_that_is_down_stops_only_the_writes_it_is_called_for(bench: Bench) -> None:
    await bench.settled()
    said = 'Internal error occurred: failed calling webhook "v.io": failed to call webhook: connection refused'
    bench.api.refuse = lambda call: (500, said) if call.resource == "services" and call.verb == "patch" else None
    for kind, name in (("Service", "p-bridge"), ("Deployment", "p-bridge")):
        bench.api.objects.pop((kind, "team", name))
    whisper = bench.api.find("Deployment", "p-whisper")
    assert whisper
    whisper["spec"]["replicas"] = 3
    bench.api.have(whisper)

    result = await bench.once()

    assert result.rejected, "it is retried"
    assert bench.api.find("Deployment", "p-bridge"), "the rest is applied"
    whisper = bench.api.find("Deployment", "p-whisper")
    assert whisper
    assert whisper["spec"]["replicas"] == 1, "and scaled"
    assert bench.api.written("speechpipelines/status") == 1, "and reported"
    bench.api.refuse = lambda _: None
    await bench.settled()
    assert bench.api.find("Service", "p-bridge")


async def rounds_against(bench: Bench, seconds: int, fields: list[dict[str, Any]], component: str = "bridge") -> int:
    """Reconcile each second, after another writer has set the replicas of a component; return how often we did."""
    writes = 0
    for _ in range(seconds):
        deployment = bench.api.find("Deployment", f"p-{component}")
        assert deployment
        deployment["spec"]["replicas"] = 7
        deployment["metadata"]["managedFields"] = fields
        bench.api.have(deployment)
        await bench.once()
        writes += bench.api.written("deployments.apps")
        bench.later(1)
    return writes


SCALER = {
    "manager": "keda",
    "operation": "Update",
    "subresource": "scale",
    "time": "2026-11-23T12:00:00Z",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}


async def test_what_another_controller_undoes_later_is_not_fought_over_and_it_is_named(bench: Bench) -> None:
    await bench.settled()
    writes = await rounds_against(bench, 100, [SCALER])
    assert writes <= 9, "the pauses double"
    for kind in ("Ready", "Progressing"):
        said = bench.condition(kind)
        assert said["reason"] == "WriteConflict"
        assert "keda (subresource scale) reverts it: spec.replicas is 7, wanted 2" in said["message"]
    bench.later(600)
    await bench.settled()
    assert "WriteConflict" not in str(bench.status), "the other one has stopped"


async def test_a_person_who_changes_a_field_twice_is_no_conflict(bench: Bench) -> None:
    await bench.settled()
    for _ in range(2):
        assert await rounds_against(bench, 1, []) == 1, "it is reverted at once"
        assert "WriteConflict" not in str(bench.status)
        bench.later(5)


async def test_without_a_name_the_condition_says_what_it_may_be(bench: Bench) -> None:
    await bench.settled()
    own = {**SCALER, "manager": "speechpipeline-operator", "operation": "Apply"}
    await rounds_against(bench, 20, [own])
    assert "a second installation of the operator?" in bench.condition("Ready")["message"]


async def test_an_object_that_is_deleted_again_and_again_is_a_conflict_too(bench: Bench) -> None:
    await bench.settled()
    writes = 0
    for _ in range(100):
        bench.api.objects.pop(("Service", "team", "p-bridge"), None)
        await bench.once()
        writes += bench.api.written("services")
        bench.later(1)
    assert writes <= 9
    assert bench.condition("Ready")["reason"] == "WriteConflict"


async def test_a_clock_that_is_set_back_delays_no_write(bench: Bench) -> None:
    """An hour: what was written before is in the future then."""
    await bench.settled()
    bench.later(-3600)
    bench.api.objects.pop(("Service", "team", "p-bridge"))

    await bench.once()

    assert bench.api.find("Service", "p-bridge")
    assert "WriteConflict" not in str(bench.status)


async def test_a_clock_that_is_set_forward_writes_nothing(bench: Bench) -> None:
    await bench.settled()
    bench.later(86400)
    await bench.settled()
    assert bench.api.writes == []


async def test_a_clock_that_is_set_back_delays_no_replicas(bench: Bench) -> None:
    await bench.settled()
    await rounds_against(bench, 5, [SCALER], "whisper")
    bench.later(-3600)

    await bench.once()

    assert bench.api.find("Deployment", "p-whisper")["spec"]["replicas"] == 1


async def test_another_scaler_is_not_fought_over_and_it_is_named_while_the_pipeline_stays_as_it_is(
    bench: Bench,
) -> None:
    await bench.settled()
    ready = bench.condition("Ready")["reason"]
    writes = await rounds_against(bench, 100, [SCALER], "whisper")
    assert writes <= 9, "the pauses double"
    said = bench.condition("ScalingActive")
    assert (said["status"], said["reason"]) == ("False", "WriteConflict")
    assert "keda (subresource scale) reverts it: spec.replicas was 7, wanted 1" in said["message"]
    assert bench.condition("Ready")["reason"] == ready
    assert len(bench.status["scalingHistory"]) < 15, "what fails again is not listed again"
    bench.later(600)
    await bench.settled()
    assert "WriteConflict" not in str(bench.status), "the other one has stopped"


async def test_replicas_that_may_not_be_written_are_not_recorded_as_written(bench: Bench) -> None:
    await bench.settled()
    whisper = bench.api.find("Deployment", "p-whisper")
    assert whisper
    whisper["spec"]["replicas"] = 3
    bench.api.have(whisper)
    bench.api.refuse = lambda call: (
        (403, "no") if call.resource == "deployments.apps" and call.verb == "patch" else None
    )
    await bench.once()
    await bench.once()
    failed = [one for one in bench.status["scalingHistory"] if not one["ok"]]
    assert [(one["from"], one["to"]) for one in failed] == [(3, 1)]
    assert bench.condition("ScalingActive")["status"] == "False"
