"""What is written for a pipeline, and why; what is left alone."""

import copy
from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_ollama, of_whisper, pipeline
from fakes.planned_cluster import NOON, PlannedCluster
from speechoperator.api import SpeechPipeline, format_validation_error
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan, rejected
from speechoperator.plan.snapshot import Health

pytestmark = pytest.mark.unit


def cluster(*changes: dict[str, Any], name: str = "calls") -> PlannedCluster:
    return PlannedCluster(pipeline(*changes, name=name))


def running(*changes: dict[str, Any]) -> PlannedCluster:
    """A cluster in which the pipeline has come to rest."""
    found = cluster(*changes)
    found.run()
    return found


def condition(plan: Plan, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in plan.status["conditions"] if one["type"] == kind)
    return found


def test_a_new_pipeline_gets_all_its_objects_because_they_are_not_there() -> None:
    plan = cluster().plan()

    assert {one.reason for one in plan.apply} == {"not there"}
    assert ("Deployment", "calls-bridge") in {
        (one.object["kind"], one.object["metadata"]["name"]) for one in plan.apply
    }


def test_a_pipeline_comes_to_rest_ready() -> None:
    plan = running().plan()

    assert condition(plan, "Ready")["status"] == "True"
    assert condition(plan, "Ready")["message"] == "answers at http://calls-bridge.team.svc:8080"
    assert (plan.status["whisper"]["summary"], plan.status["modelsSummary"]) == ("1/1", "1/1")
    assert condition(plan, "Progressing")["reason"] == "Settled"


def test_at_rest_nothing_is_done_and_the_status_stays_as_it_is() -> None:
    at_rest = running()
    at_rest.later(3600)

    plan = at_rest.plan()

    assert plan == Plan(status=at_rest.raw["status"])


def test_what_somebody_changed_is_set_right_and_the_reason_says_what_it_was() -> None:
    drifted = running()
    drifted.object("Deployment", "calls-whisper")["spec"]["replicas"] = 3

    (repair,) = drifted.plan().apply

    assert repair.reason == "spec.replicas is 3, wanted 1"


def test_the_repair_of_a_ready_pipeline_does_not_make_it_unready() -> None:
    drifted = running()
    drifted.object("Deployment", "calls-bridge")["metadata"]["labels"]["app.kubernetes.io/name"] = "other"

    plan = drifted.plan()

    assert plan.apply
    assert plan.status == drifted.raw["status"]


def test_what_others_added_is_left_alone() -> None:
    touched = running()
    touched.object("Service", "calls-bridge")["metadata"].setdefault("annotations", {})["team"] = "speech"
    touched.object("Deployment", "calls-bridge")["spec"]["template"]["spec"]["hostAliases"] = [{"ip": "1.2.3.4"}]

    assert not touched.plan().apply


def test_what_was_deleted_is_made_anew() -> None:
    damaged = running()
    del damaged.objects[Ref("Service", "calls-bridge")]

    (repair,) = damaged.plan().apply

    assert (repair.object["kind"], repair.reason) == ("Service", "not there")


def test_what_is_on_its_way_out_is_not_written() -> None:
    damaged = running()
    service = damaged.object("Service", "calls-bridge")
    service["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    service["spec"]["ports"] = []

    assert not damaged.plan().apply


def test_what_left_the_spec_is_deleted_and_only_that() -> None:
    edited = running(of_bridge(ingress={"host": "speech.example.com"}))
    seen = edited.object("Ingress", "calls-bridge")["metadata"]["uid"]
    edited.edit(pipeline()["spec"])

    (gone,) = edited.plan().delete

    assert (gone.ref, gone.uid) == (Ref("Ingress", "calls-bridge"), seen)
    assert gone.reason == "Ingress calls-bridge is no part of the spec any more"


@pytest.mark.parametrize("owners", [[], [{"uid": "another-pipeline", "kind": "SpeechPipeline", "name": "calls"}]])
def test_what_the_pipeline_does_not_own_is_never_deleted(owners: list[Any]) -> None:
    at_rest = running()
    stranger = copy.deepcopy(at_rest.object("ConfigMap", "calls-bridge"))
    stranger["metadata"] |= {"name": "calls-notes", "ownerReferences": owners}
    at_rest.objects[Ref("ConfigMap", "calls-notes")] = stranger

    assert not at_rest.plan().delete


def test_what_the_operator_does_not_build_is_never_deleted() -> None:
    at_rest = running()
    owned = copy.deepcopy(at_rest.object("ConfigMap", "calls-bridge"))
    for kind in ("Pod", "ReplicaSet", "EndpointSlice", "Secret"):
        at_rest.objects[Ref(kind, "calls-thing")] = owned | {"kind": kind}

    assert not at_rest.plan().delete


def test_a_claim_to_be_retained_stays_when_the_part_moves_elsewhere() -> None:
    moved = running(of_ollama(cache={"whenDeleted": "Retain"}))
    moved.elsewhere = {"llama3:latest"}
    moved.edit(pipeline(of_ollama(url="http://gpu-box:11434"))["spec"])
    moved.answers = {"ollama": Health(healthy=True)}
    moved.run()

    assert Ref("PersistentVolumeClaim", "calls-ollama") in moved.objects
    assert Ref("Deployment", "calls-ollama") not in moved.objects


def test_a_claim_that_grew_by_hand_is_not_asked_to_shrink() -> None:
    grown = running()
    claim = Ref("PersistentVolumeClaim", "calls-ollama")
    grown.objects[claim]["spec"]["resources"]["requests"]["storage"] = "80Gi"

    grown.run()

    assert grown.objects[claim]["spec"]["resources"]["requests"]["storage"] == "80Gi"


def test_suspend_scales_everything_to_nothing_and_keeps_the_claims() -> None:
    stopped = running()
    stopped.edit(pipeline({"suspend": True})["spec"])
    plan = stopped.run()

    assert not stopped.pods
    assert Ref("PersistentVolumeClaim", "calls-ollama") in stopped.objects
    assert condition(plan, "Ready")["reason"] == "Suspended"
    assert condition(plan, "Progressing")["reason"] == "Suspended"
    assert plan.status["whisper"]["summary"] == "0/0"


def test_a_bridge_scaled_to_zero_says_so() -> None:
    plan = running(of_bridge(replicas=0)).plan()

    assert condition(plan, "BridgeAvailable")["reason"] == "ScaledToZero"
    assert condition(plan, "Ready")["message"] == "bridge: bridge.replicas is 0"


def test_the_autoscalers_replicas_are_wanted_replicas() -> None:
    scaled = running(of_bridge(scaling={"minReplicas": 2, "maxReplicas": 5}))
    scaled.object("Deployment", "calls-bridge")["spec"]["replicas"] = 4
    scaled.settle()
    scaled.pods_of("bridge")[0]["status"]["conditions"] = []
    scaled.settle()

    plan = scaled.plan()

    assert not plan.apply
    assert plan.status["bridge"]["summary"] == "3/4"
    assert condition(plan, "Ready")["status"] == "True", "the spec asks for two"


def test_min_replicas_zero_runs_one_and_says_why() -> None:
    plan = running(of_whisper(scaling={"minReplicas": 0})).plan()

    assert plan.status["whisper"]["summary"] == "1/1"
    assert "minReplicas is 0" in plan.status["whisper"]["replicasReason"]


@pytest.mark.parametrize(
    ("bridge", "url"),
    [
        ({}, "http://calls-bridge.team.svc:8080"),
        ({"ingress": {"host": "a.example"}}, "http://a.example"),
        ({"ingress": {"host": "a.example", "port": 8088}}, "http://a.example:8088"),
        ({"ingress": {"host": "a.example", "tlsSecretName": "cert"}}, "https://a.example"),
        ({"ingress": {"host": "a.example", "tlsSecretName": "cert", "port": 443}}, "https://a.example"),
        ({"gateway": {"host": "a.example", "parentRef": {"name": "gate"}}}, "http://a.example"),
        (
            {"gateway": {"host": "a.example", "parentRef": {"name": "gate", "sectionName": "https"}}},
            "https://a.example",
        ),
    ],
)
def test_says_where_it_is_reached(bridge: dict[str, Any], url: str) -> None:
    assert cluster(of_bridge(**bridge)).plan().status["url"] == url


def test_the_scale_subresource_finds_the_bridges_pods() -> None:
    assert cluster().plan().status["bridge"]["selector"] == (
        "app.kubernetes.io/component=bridge,app.kubernetes.io/instance=calls,app.kubernetes.io/name=speechpipeline"
    )


def test_services_elsewhere_are_asked_again_though_nothing_happens() -> None:
    plan = running_elsewhere(healthy=True).plan()

    assert plan.requeue_after == 30
    assert running_elsewhere(healthy=False).plan().requeue_after == 5


def running_elsewhere(*, healthy: bool) -> PlannedCluster:
    found = cluster(of_whisper(url="http://asr:9000"))
    found.answers = {"whisper": Health(healthy, "" if healthy else "connection refused")}
    found.run()
    return found


class TestRejected:
    RAW = pipeline({"ollama": None})

    def plan_for(self, status: object) -> Plan:
        raw = self.RAW | {"status": status, "metadata": {"name": "calls", "generation": 7}}
        with pytest.raises(ValueError, match="ollama") as refused:
            SpeechPipeline.parse(raw)
        return rejected(raw, format_validation_error(refused.value), NOON)

    def test_says_what_is_wrong(self) -> None:
        plan = self.plan_for({})

        accepted = condition(plan, "Accepted")
        assert (accepted["status"], accepted["reason"], accepted["observedGeneration"]) == ("False", "NotAccepted", 7)
        assert accepted["message"] == "spec.ollama: is required"
        assert condition(plan, "Ready")["status"] == "False"
        assert [event.reason for event in plan.events] == ["NotAccepted"]

    def test_touches_nothing(self) -> None:
        plan = self.plan_for({})

        assert (plan.apply, plan.delete, plan.pulls, plan.gates) == ((), (), (), ())

    def test_keeps_the_rest_of_the_status(self) -> None:
        status = running().raw["status"]

        plan = self.plan_for(status)

        kept = {one["type"]: one for one in status["conditions"]} | {"Accepted": None}
        assert {one["type"]: one for one in plan.status["conditions"]} | {"Accepted": None} == kept
        assert {**plan.status, "conditions": None} == {**status, "conditions": None}

    def test_says_it_once(self) -> None:
        once = self.plan_for(running().raw["status"])

        again = self.plan_for(once.status)

        assert again == Plan(status=once.status)

    @pytest.mark.parametrize("status", [None, [], "x", {"conditions": "x"}, {"conditions": [None, {"type": 3}]}])
    def test_takes_any_status(self, status: object) -> None:
        assert condition(self.plan_for(status), "Accepted")["status"] == "False"
