"""Single writes: whose object it is, and what server-side apply cannot do alone."""

from collections.abc import Iterable
from typing import Any

import pytest

from fakes.reconciler_bench import KEY, Bench
from speechoperator.api.names import DESIRED_REPLICAS
from speechoperator.kube.errors import ApiError, Request
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import AnnotatePod, Delete

pytestmark = pytest.mark.unit

CONFLICT = (409, "Apply failed with 1 conflict")


def reasons(caplog: pytest.LogCaptureFixture, kind: str) -> list[Any]:
    logged = [record.__dict__["fields"] for record in caplog.records if record.message == "wrote"]
    return [(fields["verb"], fields["reason"]) for fields in logged if fields["kind"] == kind]


def refuse_once(bench: Bench, resource: str, name: str, refusal: tuple[int, str]) -> None:
    refuse_in_turn(bench, resource, name, [refusal])


def refuse_in_turn(bench: Bench, resource: str, name: str, refusals: Iterable[tuple[int, str] | None]) -> None:
    """Answer the next writes of an object, None with success, and those after them as well."""
    left = iter(refusals)

    def refuse(call: Request) -> tuple[int, str] | None:
        concerned = call.verb != "list" and (call.resource, call.name) == (resource, name)
        return next(left, None) if concerned else None

    bench.api.refuse = refuse


async def test_an_object_of_another_owner_is_not_taken_over(bench: Bench) -> None:
    theirs = {"kind": "Service", "metadata": {"name": "p-bridge", "namespace": "team"}, "spec": {"type": "NodePort"}}
    bench.api.have(theirs)
    refuse_once(bench, "services", "p-bridge", CONFLICT)
    assert (await bench.once()).rejected
    found = bench.api.find("Service", "p-bridge")
    assert found
    assert found["spec"] == theirs["spec"]
    assert "did not create" in str(bench.status["conditions"])


async def test_an_object_that_lost_its_labels_is_still_the_pipelines(bench: Bench) -> None:
    await bench.settled()
    service = bench.api.find("Service", "p-bridge")
    assert service
    labels = service["metadata"].pop("labels")
    bench.api.have(service)
    refuse_once(bench, "services", "p-bridge", CONFLICT)
    assert not (await bench.once()).rejected
    found = bench.api.find("Service", "p-bridge")
    assert found
    assert found["metadata"]["labels"] == labels


async def test_what_server_side_apply_cannot_revert_is_replaced_first(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.settled()
    service = bench.api.find("Service", "p-bridge")
    assert service
    wanted = service["spec"]["ports"]
    service["spec"] = {**service["spec"], "ports": [{**wanted[0], "port": 1}]}
    bench.api.have(service)
    refuse_once(bench, "services", "p-bridge", (422, "Duplicate value: http"))
    caplog.set_level("INFO", "speechoperator")
    assert not (await bench.once()).rejected
    found = bench.api.find("Service", "p-bridge")
    assert found
    assert found["spec"]["ports"] == wanted
    assert [verb for verb, _ in reasons(caplog, "Service")] == ["merge", "apply"], "each write is logged"
    assert all(reason.startswith("spec.ports") for _, reason in reasons(caplog, "Service"))


async def test_a_foreign_container_and_volume_stay_when_a_port_is_replaced(bench: Bench) -> None:
    await bench.settled()
    deployment = bench.api.find("Deployment", "p-bridge")
    assert deployment
    pod = deployment["spec"]["template"]["spec"]
    (wanted,) = pod["containers"]
    (port,) = wanted["ports"]
    proxy = {"name": "proxy", "image": "proxy:1", "ports": [{**port, "containerPort": 15001}]}
    edited = {**wanted, "ports": [{**port, "containerPort": 1}]}
    certificates = {"name": "certificates", "emptyDir": {}}
    deployment["spec"]["template"]["spec"] = {
        **pod,
        "containers": [edited, proxy],
        "volumes": [*pod["volumes"], certificates],
    }
    bench.api.have(deployment)
    collides = (422, "spec.template.spec.containers[0].ports[1].name: Duplicate value: http")
    refuse_in_turn(bench, "deployments.apps", "p-bridge", [collides, None, (403, "the fake knows no other managers")])

    await bench.once()

    patched = bench.api.find("Deployment", "p-bridge")
    assert patched
    assert patched["spec"]["template"]["spec"]["containers"] == [wanted, proxy]
    assert patched["spec"]["template"]["spec"]["volumes"] == [*pod["volumes"], certificates]


async def test_a_refusal_that_is_no_collision_is_reported_and_replaces_nothing(bench: Bench) -> None:
    await bench.settled()
    deployment = bench.api.find("Deployment", "p-bridge")
    assert deployment
    pod = deployment["spec"]["template"]["spec"]
    pod["containers"] = [{**pod["containers"][0], "image": "edited:1"}, {"name": "proxy", "image": "proxy:1"}]
    bench.api.have(deployment)
    before = bench.api.find("Deployment", "p-bridge")
    refuse_once(bench, "deployments.apps", "p-bridge", (422, "spec.template.spec.containers[1]: Invalid value"))

    assert (await bench.once()).rejected

    assert bench.api.find("Deployment", "p-bridge") == before


async def test_an_object_that_is_gone_before_its_deletion_is_no_failure(bench: Bench) -> None:
    await bench.settled()
    service = Ref("Service", "p-bridge")
    del bench.api.objects["Service", "team", "p-bridge"]
    await bench.writer.delete("team", Delete(service, "removed from the spec"))
    assert not bench.store.has(KEY, service)


async def test_an_object_that_was_changed_since_it_was_seen_is_not_deleted(bench: Bench) -> None:
    """Not even if the change has arrived by now: it may be a reason to keep it."""
    await bench.settled()
    service = bench.api.find("Service", "p-bridge")
    assert service
    seen = service["metadata"]["resourceVersion"]
    service["metadata"]["ownerReferences"] = []
    bench.store.observe("MODIFIED", bench.api.have(service))
    with pytest.raises(ApiError) as caught:
        await bench.writer.delete("team", Delete(Ref("Service", "p-bridge"), "removed from the spec", version=seen))
    assert caught.value.code == "conflict"
    assert bench.api.find("Service", "p-bridge")


async def test_the_annotation_for_a_new_list_of_models_leaves_the_others(bench: Bench) -> None:
    bench.api.have({"kind": "Pod", "metadata": {"name": "b-0", "namespace": "team", "annotations": {"team": "speech"}}})
    pod = bench.api.find("Pod", "b-0")
    assert pod

    await bench.writer.annotate(KEY, AnnotatePod("b-0", pod["metadata"]["uid"], "1a2b"))

    found = bench.api.find("Pod", "b-0")
    assert found
    assert found["metadata"]["annotations"] == {"team": "speech", "speechpipeline.dev/models-revision": "1a2b"}


def replica_set(name: str, owner: str, noted: str | None, replicas: int = 1) -> dict[str, Any]:
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": "team",
            "labels": {"speechpipeline.dev/pipeline": "p"},
            "annotations": {} if noted is None else {DESIRED_REPLICAS: noted},
            "ownerReferences": [{"kind": "Deployment", "uid": owner}],
        },
        "spec": {"replicas": replicas},
    }


async def test_replica_sets_of_a_stopped_rollout_are_told_the_replicas(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.settled()
    whisper = bench.api.find("Deployment", "p-whisper")
    assert whisper
    whisper["status"] = {"replicas": 1, "readyReplicas": 1}
    uid = bench.api.have(whisper)["metadata"]["uid"]
    for name, owner, noted, replicas in (
        ("old", uid, "2", 1),
        ("empty", uid, "2", 0),
        ("right", uid, "1", 1),
        ("unmarked", uid, None, 1),
        ("foreign", "uid-of-another", "2", 1),
    ):
        bench.api.have(replica_set(name, owner, noted, replicas))
    caplog.set_level("INFO", "speechoperator")

    result = await bench.once()

    assert not result.rejected
    assert [call.name for call in bench.api.writes if call.resource == "replicasets.apps"] == ["old"]
    assert bench.api.find("ReplicaSet", "old")["metadata"]["annotations"] == {DESIRED_REPLICAS: "1"}  # type: ignore[index]
    assert reasons(caplog, "ReplicaSet") == [
        ("merge", f"the rollout of p-whisper has stopped: {DESIRED_REPLICAS} is 2, not 1")
    ]
    assert Ref("ReplicaSet", "old") not in bench.store.objects(KEY), "nothing would say when it is gone"

    await bench.once()
    assert bench.api.written("replicasets.apps") == 0
    assert not bench.queued, "a rollout that waits for something else is no reason to plan again at once"


async def test_a_right_that_is_missing_to_continue_a_rollout_is_named(bench: Bench) -> None:
    await bench.settled()
    whisper = bench.api.find("Deployment", "p-whisper")
    assert whisper
    whisper["status"] = {"replicas": 1}
    bench.api.have(whisper)
    said = 'replicasets.apps is forbidden: User "op" cannot list resource "replicasets" in API group "apps"'
    bench.api.refuse = lambda call: (403, said) if call.resource == "replicasets.apps" else None

    assert (await bench.once()).rejected

    assert "list replicasets" in str(bench.status["conditions"])
