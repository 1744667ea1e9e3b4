"""What holds for every plan, whatever the pipeline and the state of its cluster."""

import copy
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.pipeline_specs import POD_STATUSES, SPECS, WORDS
from fakes.planned_cluster import PlannedCluster
from speechoperator import kinds
from speechoperator.conditions import TYPES
from speechoperator.models.status import Status
from speechoperator.models_lifecycle.names import canonical
from speechoperator.observed import Health, Pull, Ref, WriteFailure
from speechoperator.plan import Plan

pytestmark = pytest.mark.unit

thorough = settings(max_examples=15)
REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")  # of metav1.Condition


def cluster(spec: dict[str, Any]) -> PlannedCluster:
    found = PlannedCluster(
        {
            "apiVersion": "speechpipeline.dev/v1alpha1",
            "kind": "SpeechPipeline",
            "metadata": {"name": "calls"},
            "spec": copy.deepcopy(spec),
        }
    )
    found.answers = {"whisper": Health(healthy=True), "ollama": Health(healthy=True)}
    found.elsewhere = {"llama3:latest", "qwen3:4b", "mistral:latest", "registry:5000/library/phi4:latest"}
    return found


def hold(found: PlannedCluster, what: Plan) -> None:
    """What every plan keeps."""
    for gone in what.delete:
        there = found.objects[gone.ref]
        assert gone.ref.kind in {kind.name for kind in kinds.BUILT}
        assert [owner["uid"] for owner in there["metadata"]["ownerReferences"]] == ["pipeline-uid"]
    volumes = [pull.volume for pull in what.pulls]
    assert len(volumes) == len(set(volumes)), "one pull into each volume"
    busy = {volume for (volume, _), pull in found.pulls.items() if pull.stage == "Pulling"}
    assert not busy & set(volumes)
    wanted = {canonical(model["name"]) for model in found.raw["spec"]["ollama"]["models"]}
    for gate in what.gates:
        if gate.ready:
            assert wanted <= set(map(canonical, found.observed().ollama[gate.pod].models))
    valid(what)


def valid(what: Plan) -> None:
    """The API server would take it."""
    Status.model_validate(what.status, extra="forbid")
    types = [one["type"] for one in what.status["conditions"]]
    assert types == [kind for kind in TYPES if kind in types]
    for one in what.status["conditions"]:
        assert one["status"] in {"True", "False", "Unknown"}
        assert REASON.fullmatch(one["reason"])
        assert len(one["reason"]) <= 1024
        assert one["message"]
        assert len(one["message"]) <= 32768
    for event in what.events:
        assert REASON.fullmatch(event.reason)
        assert 0 < len(event.message.encode()) <= 1024
    assert what.look_again is None or what.look_again > 0


@st.composite
def mishaps(draw: st.DrawFn, found: PlannedCluster) -> None:
    """Something happens to the cluster."""
    happens = draw(st.sampled_from([to_an_object, to_a_pod, to_a_pull, to_a_write, around]))
    happens(draw, found)


def to_an_object(draw: st.DrawFn, found: PlannedCluster) -> None:
    if not found.objects:
        return
    ref = draw(st.sampled_from(sorted(found.objects)))
    if draw(st.booleans()):
        del found.objects[ref]
        return
    found.objects[ref]["metadata"]["annotations"] = {"speechpipeline.dev/applied": "x"}
    if "replicas" in found.objects[ref].get("spec", {}):
        found.objects[ref]["spec"]["replicas"] = 1


def to_a_pod(draw: st.DrawFn, found: PlannedCluster) -> None:
    if not found.pods:
        return
    pod = draw(st.sampled_from(found.pods))
    if draw(st.booleans()):
        pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    else:
        pod["status"] = draw(POD_STATUSES)


def to_a_pull(draw: st.DrawFn, found: PlannedCluster) -> None:
    found.fail_pull(draw(WORDS))


def to_a_write(draw: st.DrawFn, found: PlannedCluster) -> None:
    if found.objects:
        ref = draw(st.sampled_from(sorted(found.objects)))
        code = draw(st.sampled_from([0, 403, 404, 409, 422, 429, 500]))
        found.failures = (WriteFailure(ref, "patch", code, draw(WORDS)),)


def around(draw: st.DrawFn, found: PlannedCluster) -> None:
    found.pod_warnings = {pod["metadata"]["name"]: draw(WORDS) for pod in found.pods}
    found.claim_warnings = {"calls-ollama": draw(WORDS)}
    found.answers = {"whisper": Health(healthy=draw(st.booleans()), detail=draw(WORDS))}
    found.ingress_class_missing = draw(st.sampled_from([None, "", "x"]))
    found.later(draw(st.sampled_from([0.5, 6, 700])))


def mend(found: PlannedCluster) -> None:
    """Everything outside is well again, and the pods are new."""
    found.pods, found.failures, found.ingress_class_missing = [], (), None
    found.pod_warnings, found.claim_warnings = {}, {}
    found.answers = {"whisper": Health(healthy=True), "ollama": Health(healthy=True)}
    found.later(1000)


@thorough
@given(SPECS)
def test_a_pipeline_comes_to_rest_and_then_nothing_is_done(spec: dict[str, Any]) -> None:
    found = cluster(spec)

    last = found.run()
    valid(last)

    found.later(86_400)
    assert found.plan() == Plan(status=found.raw["status"], look_again=last.look_again)


@thorough
@given(SPECS, SPECS, st.data())
def test_whatever_happens_every_plan_keeps_the_rules_and_the_end_is_the_same(
    before: dict[str, Any], after: dict[str, Any], data: st.DataObject
) -> None:
    found, fresh = cluster(before), cluster(after)
    for spec in (before, after):
        found.edit(spec)
        for _ in range(data.draw(st.integers(1, 5))):
            data.draw(mishaps(found))
            what = found.plan()
            hold(found, what)
            assert what == found.plan(), "same input, same plan"
            retained = {ref for ref, thing in found.objects.items() if _retained(thing)}
            found.carry_out(what)
            assert retained <= set(found.objects)
            if data.draw(st.booleans()):
                found.settle()

    mend(found)
    found.run()
    fresh.run()

    assert _essence(found) == _essence(fresh)
    assert _verdicts(found) == _verdicts(fresh)


@thorough
@given(SPECS, st.lists(POD_STATUSES, max_size=8), st.data())
def test_any_pods_give_valid_conditions(
    spec: dict[str, Any], statuses: list[dict[str, Any]], data: st.DataObject
) -> None:
    found = cluster(spec)
    found.step()
    found.settle()
    for pod, status in zip(found.pods, statuses, strict=False):
        pod["status"] = status
        found.pod_warnings[pod["metadata"]["name"]] = data.draw(WORDS)
    found.later(data.draw(st.sampled_from([0, 31, 700])))

    hold(found, found.plan())


@thorough
@given(SPECS, st.data())
def test_pulls_never_overlap_in_a_volume_whatever_runs(spec: dict[str, Any], data: st.DataObject) -> None:
    found = cluster(spec)
    found.step()
    found.settle()
    names = [model["name"] for model in spec["ollama"]["models"]] + ["gone"]
    volumes = ["claim:calls-ollama", "claim:weights", *(f"pod:{pod['metadata']['name']}" for pod in found.pods)]
    for _ in range(data.draw(st.integers(0, 4))):
        volume, name = data.draw(st.sampled_from(volumes)), data.draw(st.sampled_from(names))
        stage = data.draw(st.sampled_from(["Pulling", "Failed"]))
        again = data.draw(st.sampled_from([None, found.now]))
        found.pulls[volume, name] = Pull(name, volume, stage, attempts=data.draw(st.integers(0, 3)), retry_at=again)
    for volume in volumes:
        found.stored[volume] = set(data.draw(st.lists(st.sampled_from(names).map(canonical))))

    hold(found, found.plan())


def _retained(thing: dict[str, Any]) -> bool:
    return thing["kind"] == "PersistentVolumeClaim" and not thing["metadata"].get("ownerReferences")


def _essence(found: PlannedCluster) -> dict[Ref, Any]:
    """The objects without what tells of their past, and without claims, which may stay."""
    return {
        ref: {key: value for key, value in thing.items() if key not in {"metadata", "status"}}
        for ref, thing in found.objects.items()
        if ref.kind != "PersistentVolumeClaim"
    }


def _verdicts(found: PlannedCluster) -> list[tuple[str, str, str]]:
    return [(one["type"], one["status"], one["reason"]) for one in found.raw["status"]["conditions"]]
