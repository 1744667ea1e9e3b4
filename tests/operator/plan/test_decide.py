"""What a plan writes and why, and what it leaves alone."""

import copy
from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_ollama, of_whisper, pipeline
from fakes.planned_cluster import NOON, PlannedCluster, condition, converged, verdict
from speechoperator.api import SpeechPipeline, format_validation_error
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan, rejected
from speechoperator.plan.snapshot import Health, WriteFailure

pytestmark = pytest.mark.unit


def cluster(*changes: dict[str, Any]) -> PlannedCluster:
    return PlannedCluster(pipeline(*changes))


def test_all_objects_of_a_new_pipeline_are_missing_and_created() -> None:
    plan = cluster().plan()

    assert {one.reason for one in plan.apply} == {"missing"}
    assert ("Deployment", "calls-bridge") in {
        (one.object["kind"], one.object["metadata"]["name"]) for one in plan.apply
    }


def test_a_converged_pipeline_is_ready() -> None:
    plan = converged().plan()

    assert condition(plan, "Ready")["status"] == "True"
    assert condition(plan, "Ready")["message"] == "serving at http://calls-bridge.team.svc:8080"
    assert (plan.status["whisper"]["summary"], plan.status["modelsSummary"]) == ("1/1", "1/1")
    assert condition(plan, "Progressing")["reason"] == "UpToDate"


def test_a_converged_pipeline_has_nothing_to_do() -> None:
    steady = converged()
    steady.later(3600)

    plan = steady.plan()

    assert plan == Plan(status=steady.raw["status"], history=plan.history)


def test_network_policies_are_deleted_where_they_are_disabled() -> None:
    before = converged()
    before.raw["spec"]["networkPolicy"] = {"enabled": False}

    plan = before.plan()

    deleted = {one.ref for one in plan.delete}
    assert deleted == {Ref("NetworkPolicy", f"calls-{component}") for component in ("whisper", "ollama", "bridge")}
    assert not plan.apply


def test_drift_is_reverted_with_the_difference_as_the_reason() -> None:
    drifted = converged()
    drifted.object("Deployment", "calls-bridge")["spec"]["replicas"] = 3

    (revert,) = drifted.plan().apply

    assert revert.reason == "spec.replicas is 3, wanted 2"


def test_a_kind_that_cannot_be_listed_for_a_while_leaves_a_ready_pipeline_ready() -> None:
    steady = converged()
    message = 'services is forbidden: User "op" cannot list resource "services" in API group ""'
    steady.unreadable = (WriteFailure(Ref("Service", ""), "list", 403, message, "Forbidden"),)

    plan = steady.plan()

    assert condition(plan, "Ready")["status"] == "True"
    progressing = condition(plan, "Progressing")
    assert (progressing["status"], progressing["reason"]) == ("Unknown", "ListFailed")
    assert 'resources ["services"], verbs ["list"]' in progressing["message"]
    assert plan.events == ()


def test_reverting_drift_does_not_make_a_ready_pipeline_unready() -> None:
    drifted = converged()
    drifted.object("Deployment", "calls-bridge")["metadata"]["labels"]["app.kubernetes.io/name"] = "other"

    plan = drifted.plan()

    assert plan.apply
    assert plan.status == drifted.raw["status"]


def test_fields_added_by_others_are_left_alone() -> None:
    touched = converged()
    touched.object("Service", "calls-bridge")["metadata"].setdefault("annotations", {})["team"] = "speech"
    touched.object("Deployment", "calls-bridge")["spec"]["template"]["spec"]["hostAliases"] = [{"ip": "1.2.3.4"}]

    assert not touched.plan().apply


def test_a_deleted_object_is_recreated() -> None:
    damaged = converged()
    del damaged.objects[Ref("Service", "calls-bridge")]

    (apply,) = damaged.plan().apply

    assert (apply.object["kind"], apply.reason) == ("Service", "missing")


def test_a_terminating_object_is_not_written() -> None:
    damaged = converged()
    service = damaged.object("Service", "calls-bridge")
    service["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    service["spec"]["ports"] = []

    assert not damaged.plan().apply


def test_only_what_was_removed_from_the_spec_is_deleted() -> None:
    edited = converged(of_bridge(ingress={"host": "speech.example.com"}))
    uid = edited.object("Ingress", "calls-bridge")["metadata"]["uid"]
    edited.edit(pipeline()["spec"])

    (gone,) = edited.plan().delete

    assert (gone.ref, gone.uid) == (Ref("Ingress", "calls-bridge"), uid)
    assert gone.reason == "Ingress calls-bridge was removed from the spec"


@pytest.mark.parametrize("owners", [[], [{"uid": "another-pipeline", "kind": "SpeechPipeline", "name": "calls"}]])
def test_objects_of_other_owners_are_never_deleted(owners: list[Any]) -> None:
    steady = converged()
    stranger = copy.deepcopy(steady.object("ConfigMap", "calls-bridge"))
    stranger["metadata"] |= {"name": "calls-notes", "ownerReferences": owners}
    steady.objects[Ref("ConfigMap", "calls-notes")] = stranger

    assert not steady.plan().delete


def test_objects_of_kinds_that_the_operator_does_not_create_are_never_deleted() -> None:
    steady = converged()
    owned = copy.deepcopy(steady.object("ConfigMap", "calls-bridge"))
    for kind in ("Pod", "ReplicaSet", "EndpointSlice", "Secret"):
        steady.objects[Ref(kind, "calls-thing")] = owned | {"kind": kind}

    assert not steady.plan().delete


def test_a_retained_pvc_is_kept_when_its_component_becomes_external() -> None:
    moved = converged(of_ollama(cache={"whenDeleted": "Retain"}))
    moved.external_models = {"llama3:latest"}
    moved.edit(pipeline(of_ollama(url="http://gpu-box:11434"))["spec"])
    moved.health = {"ollama": Health(healthy=True)}
    moved.run()

    assert Ref("PersistentVolumeClaim", "calls-ollama") in moved.objects
    assert Ref("Deployment", "calls-ollama") not in moved.objects


def test_a_pvc_expanded_by_hand_is_not_shrunk() -> None:
    grown = converged()
    pvc = Ref("PersistentVolumeClaim", "calls-ollama")
    grown.objects[pvc]["spec"]["resources"]["requests"]["storage"] = "80Gi"

    grown.run()

    assert grown.objects[pvc]["spec"]["resources"]["requests"]["storage"] == "80Gi"


def test_suspend_scales_everything_to_zero_and_keeps_the_pvcs() -> None:
    stopped = converged()
    stopped.edit(pipeline({"suspend": True})["spec"])
    plan = stopped.run()

    assert not stopped.pods
    assert Ref("PersistentVolumeClaim", "calls-ollama") in stopped.objects
    assert verdict(plan, "Ready")[:2] == ("True", "Suspended")
    assert condition(plan, "Progressing")["reason"] == "Suspended"
    assert "Reconciling" not in {one["type"] for one in plan.status["conditions"]}
    assert plan.status["whisper"]["summary"] == "0/0"


def test_a_bridge_scaled_to_zero_is_idle_as_its_spec_says() -> None:
    plan = converged(of_bridge(replicas=0)).plan()

    assert condition(plan, "BridgeAvailable")["reason"] == "ScaledToZero"
    assert verdict(plan, "Ready") == ("True", "Idle", "bridge: bridge.replicas is 0")


def test_a_bridge_scaled_to_zero_hides_no_fault() -> None:
    found = converged(of_bridge(replicas=0))
    found.pods_of("whisper")[0]["status"]["conditions"] = []
    found.settle()

    assert condition(found.plan(), "Ready")["reason"] == "Starting"


def test_the_replicas_of_an_autoscaler_are_the_desired_replicas() -> None:
    scaled = converged(of_bridge(scaling={"minReplicas": 2, "maxReplicas": 5}))
    scaled.object("Deployment", "calls-bridge")["spec"]["replicas"] = 4
    scaled.settle()
    scaled.pods_of("bridge")[0]["status"]["conditions"] = []
    scaled.settle()

    plan = scaled.plan()

    assert not plan.apply
    assert plan.status["bridge"]["summary"] == "3/4"
    assert condition(plan, "Ready")["status"] == "True", "the minimum is two"


def test_with_a_minimum_of_zero_a_new_pipeline_starts_one_replica_and_says_why() -> None:
    plan = converged(of_whisper(scaling={"minReplicas": 0})).plan()

    assert plan.status["whisper"]["summary"] == "1/1"
    assert plan.status["whisper"]["replicasReason"] == "as many as it started with"


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
def test_the_status_has_the_url_of_the_bridge(bridge: dict[str, Any], url: str) -> None:
    assert cluster(of_bridge(**bridge)).plan().status["url"] == url


def test_the_status_has_the_selector_of_the_bridge_for_the_scale_subresource() -> None:
    assert cluster().plan().status["bridge"]["selector"] == (
        "app.kubernetes.io/component=bridge,app.kubernetes.io/instance=calls,app.kubernetes.io/name=speechpipeline"
    )


def test_a_fault_after_a_generation_was_rejected_makes_it_unready() -> None:
    """The generation is observed already, but not as a valid one: Ready may be that of the spec before."""
    found = converged()
    for one in found.raw["status"]["conditions"]:
        if one["type"] == "Accepted":
            one["status"] = "False"
    found.object("Deployment", "calls-bridge")["spec"]["replicas"] = 7

    assert condition(found.plan(), "Ready")["reason"] == "RolloutInProgress"


class TestRejected:
    RAW = pipeline({"ollama": None})

    def plan_for(self, status: object) -> Plan:
        raw = self.RAW | {"status": status, "metadata": {"name": "calls", "generation": 7}}
        with pytest.raises(ValueError, match="ollama") as refused:
            SpeechPipeline.parse(raw)
        return rejected(raw, format_validation_error(refused.value), NOON)

    def test_reports_the_error(self) -> None:
        plan = self.plan_for({})

        accepted = condition(plan, "Accepted")
        assert (accepted["status"], accepted["reason"], accepted["observedGeneration"]) == ("False", "InvalidSpec", 7)
        assert accepted["message"] == "spec.ollama: is required"
        assert condition(plan, "Ready")["status"] == "False"
        assert [event.reason for event in plan.events] == ["InvalidSpec"]

    def test_changes_nothing(self) -> None:
        plan = self.plan_for({})

        assert (plan.apply, plan.delete, plan.pulls) == ((), (), ())

    def test_keeps_the_rest_of_the_status(self) -> None:
        status = converged().raw["status"]

        plan = self.plan_for(status)

        new = {"Accepted": None, "Stalled": None}
        kept = {one["type"]: one for one in status["conditions"]} | new
        assert {one["type"]: one for one in plan.status["conditions"]} | new == kept
        assert {**plan.status, "conditions": None} == {**status, "conditions": None, "observedGeneration": 7}

    @pytest.mark.parametrize("component", ["whisper", "ollama"])
    def test_is_not_ready_while_a_component_is_scaled_to_zero(self, component: str) -> None:
        """Nothing starts it: the bridge holds the requests until they time out."""
        status = converged().raw["status"]
        asleep = {**status, component: {**status[component], "desired": 0}}

        plan = self.plan_for(asleep)

        ready = condition(plan, "Ready")
        assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", "InvalidSpec", 7)
        assert ready["message"].endswith(f"not started until the spec is valid: {component}")
        assert self.plan_for(plan.status) == Plan(status=plan.status), "it is reported once"

    def test_tells_tools_that_nothing_will_come_of_it(self) -> None:
        """kstatus: the generation was observed, and the object is stalled."""
        starting = PlannedCluster(pipeline())
        starting.step()

        plan = self.plan_for(starting.raw["status"])

        types = {one["type"]: one["status"] for one in plan.status["conditions"]}
        assert plan.status["observedGeneration"] == 7
        assert (types["Stalled"], types.get("Reconciling")) == ("True", None)

    def test_reports_the_error_once(self) -> None:
        once = self.plan_for(converged().raw["status"])

        again = self.plan_for(once.status)

        assert again == Plan(status=once.status)

    @pytest.mark.parametrize("status", [None, [], "x", {"conditions": "x"}, {"conditions": [None, {"type": 3}]}])
    def test_accepts_any_status(self, status: object) -> None:
        assert condition(self.plan_for(status), "Accepted")["status"] == "False"
