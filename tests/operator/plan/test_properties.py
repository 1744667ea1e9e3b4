"""Properties of every plan, for any pipeline in any state of the cluster."""

import copy
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.pipeline_specs import KEEPING, MESSAGES, POD_STATUSES, SPECS
from fakes.planned_cluster import PlannedCluster
from speechoperator.api import kinds
from speechoperator.api.scaling import Scaling
from speechoperator.api.status import CONDITION_TYPES, Status
from speechoperator.api.storage import Cache
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.events import NORMAL_EVENTS
from speechoperator.plan.models.names import canonical
from speechoperator.plan.snapshot import Health, Pull, WriteFailure

pytestmark = pytest.mark.unit

thorough = settings(max_examples=15)
REASONS = {reason.text for reason in Reason}
PARSED = {"CONTEXT_LENGTH", "MODEL_OPTIONS", "MODELS", "models", "models.json"}
"""The keys of the ConfigMaps that the operator reads again."""
EDITED = st.sampled_from(["", "{oops", "[]", "3", '{"llama3": 3}', '{"llama3": {"options": 3}}', '{"models": 3}', "8k"])
"""What people may leave in a ConfigMap."""


def cluster(spec: dict[str, Any]) -> PlannedCluster:
    found = PlannedCluster(
        {
            "apiVersion": "speechpipeline.dev/v1alpha1",
            "kind": "SpeechPipeline",
            "metadata": {"name": "calls"},
            "spec": copy.deepcopy(spec),
        }
    )
    found.health = {"whisper": Health(healthy=True), "ollama": Health(healthy=True)}
    found.external_models = {"llama3:latest", "qwen3:4b", "mistral:latest", "registry:5000/library/phi4:latest"}
    return found


def check(found: PlannedCluster, planned: Plan) -> None:
    """Check the invariants of a plan."""
    for gone in planned.delete:
        there = found.objects[gone.ref]
        assert gone.ref.kind in {kind.name for kind in kinds.PRUNED}
        assert gone.ref.kind != "PersistentVolumeClaim", "a change of the spec deletes no data"
        assert [owner["uid"] for owner in there["metadata"]["ownerReferences"]] == ["pipeline-uid"]
    volumes = [pull.volume for pull in planned.pulls]
    assert len(volumes) == len(set(volumes)), "one pull per volume"
    busy = {volume for (volume, _), pull in found.pulls.items() if pull.stage == "Pulling"}
    assert not busy & set(volumes)
    check_valid(planned)


def check_valid(planned: Plan) -> None:
    """Check that the API server would accept the status and the Events."""
    Status.model_validate(planned.status, extra="forbid")
    types = [one["type"] for one in planned.status["conditions"]]
    assert types == [kind for kind in CONDITION_TYPES if kind in types]
    for one in planned.status["conditions"]:
        assert one["status"] in {"True", "False", "Unknown"}
        assert one["reason"] in REASONS
        assert one["message"]
        assert len(one["message"]) <= 32768
    for event in planned.events:
        assert event.reason in REASONS | NORMAL_EVENTS.keys()
        assert 0 < len(event.message.encode()) <= 1024
    assert planned.requeue_after is None or planned.requeue_after > 0


@st.composite
def mishaps(draw: st.DrawFn, found: PlannedCluster) -> None:
    """Something happens to the cluster."""
    happens = draw(st.sampled_from(MISHAPS))
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


def to_a_config_map(draw: st.DrawFn, found: PlannedCluster) -> None:
    if refs := sorted(ref for ref in found.objects if ref.kind == "ConfigMap"):
        data = found.objects[draw(st.sampled_from(refs))]["data"]
        data |= {key: draw(EDITED) for key in sorted(PARSED & data.keys())}


def to_a_pod(draw: st.DrawFn, found: PlannedCluster) -> None:
    if not found.pods:
        return
    pod = draw(st.sampled_from(found.pods))
    if draw(st.booleans()):
        pod["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    else:
        pod["status"] = draw(POD_STATUSES)


def to_a_pull(draw: st.DrawFn, found: PlannedCluster) -> None:
    found.fail_pull(draw(MESSAGES))


def to_a_write(draw: st.DrawFn, found: PlannedCluster) -> None:
    if found.objects:
        ref = draw(st.sampled_from(sorted(found.objects)))
        code = draw(st.sampled_from([0, 403, 404, 409, 422, 429, 500]))
        found.failures = (WriteFailure(ref, "patch", code, draw(MESSAGES)),)


def to_the_surroundings(draw: st.DrawFn, found: PlannedCluster) -> None:
    found.pod_warnings = {pod["metadata"]["name"]: draw(MESSAGES) for pod in found.pods}
    found.pvc_warnings = {"calls-ollama": draw(MESSAGES)}
    found.health = {"whisper": Health(healthy=draw(st.booleans()), detail=draw(MESSAGES))}
    found.ingress_class_missing = draw(st.sampled_from([None, "", "x"]))
    found.later(draw(st.sampled_from([0.5, 6, 700])))


MISHAPS = (to_an_object, to_a_config_map, to_a_pod, to_a_pull, to_a_write, to_the_surroundings)


def repair(found: PlannedCluster) -> None:
    """Everything around the pipeline is healthy again, and its pods are new."""
    found.pods, found.failures, found.ingress_class_missing = [], (), None
    found.pod_warnings, found.pvc_warnings = {}, {}
    found.health = {"whisper": Health(healthy=True), "ollama": Health(healthy=True)}
    found.later(1000)


@thorough
@given(SPECS)
def test_a_pipeline_converges_and_then_nothing_is_done(spec: dict[str, Any]) -> None:
    found = cluster(spec)

    last = found.run()
    check_valid(last)

    found.later(86_399)
    again = found.plan()
    assert again == Plan(status=found.raw["status"], history=again.history, requeue_after=again.requeue_after)
    # One second later, what the spec wants to be pulled every day is pulled again.
    assert again.requeue_after in {last.requeue_after, 1.0}


@thorough
@given(SPECS, SPECS, st.data())
def test_whatever_happens_every_plan_is_valid_and_the_pipeline_converges_to_the_same_state(
    before: dict[str, Any], after: dict[str, Any], data: st.DataObject
) -> None:
    found, fresh = cluster(before), cluster(after)
    for spec in (before, after):
        found.edit(spec)
        for _ in range(data.draw(st.integers(1, 5))):
            data.draw(mishaps(found))
            planned = found.plan()
            check(found, planned)
            assert planned == found.plan(), "equal inputs, equal plans"
            found.carry_out(planned)
            if data.draw(st.booleans()):
                found.settle()

    repair(found)
    found.run()
    fresh.run()

    assert _specs(found) == _specs(fresh)
    assert _verdicts(found) == _verdicts(fresh)


@thorough
@given(SPECS, st.lists(POD_STATUSES, max_size=8), st.data())
def test_any_pod_status_gives_valid_conditions(
    spec: dict[str, Any], statuses: list[dict[str, Any]], data: st.DataObject
) -> None:
    found = cluster(spec)
    found.step()
    found.settle()
    for pod, status in zip(found.pods, statuses, strict=False):
        pod["status"] = status
        found.pod_warnings[pod["metadata"]["name"]] = data.draw(MESSAGES)
    found.later(data.draw(st.sampled_from([0, 31, 700])))

    check(found, found.plan())


@thorough
@given(SPECS, st.data())
def test_pulls_never_overlap_in_a_volume(spec: dict[str, Any], data: st.DataObject) -> None:
    found = cluster(spec)
    found.step()
    found.settle()
    names = [model["name"] for model in spec["ollama"]["models"]] + ["gone"]
    volumes = ["pvc:calls-ollama", "pvc:weights", *(f"pod:{pod['metadata']['name']}" for pod in found.pods)]
    for _ in range(data.draw(st.integers(0, 4))):
        volume, name = data.draw(st.sampled_from(volumes)), data.draw(st.sampled_from(names))
        stage = data.draw(st.sampled_from(["Pulling", "Failed"]))
        again = data.draw(st.sampled_from([None, found.now]))
        found.pulls[volume, name] = Pull(name, volume, stage, attempts=data.draw(st.integers(0, 3)), retry_at=again)
    for volume in volumes:
        found.stored[volume] = set(data.draw(st.lists(st.sampled_from(names).map(canonical))))

    check(found, found.plan())


@settings(thorough, max_examples=40)
@given(st.lists(KEEPING, min_size=2, max_size=6), st.data())
def test_whatever_the_spec_becomes_no_pvc_is_lost_nor_goes_with_the_pipeline_unasked(
    specs: list[dict[str, Any]], data: st.DataObject
) -> None:
    found = cluster(specs[0])
    claims: dict[Ref, str] = {}
    for spec in specs:
        found.edit(spec)
        found.missing_claims = data.draw(st.sampled_from([set(), {"weights"}]))
        for _ in range(data.draw(st.integers(1, 4))):
            before = _mounts(found)
            found.step()
            moved = {part: mounts for part, mounts in _mounts(found).items() if mounts != before.get(part, mounts)}
            assert not found.missing_claims & set(itertools.chain(*moved.values())), "pods that serve keep their volume"
            assert claims.items() <= _claims(found).items(), "each is there, and the same one"
            claims = _claims(found)
            assert _owned_claims(found) == _to_be_deleted(spec)
            if data.draw(st.booleans()):
                found.settle()


def _claims(found: PlannedCluster) -> dict[Ref, str]:
    """The PVCs that are there, with their uids."""
    return {
        ref: thing["metadata"]["uid"] for ref, thing in found.objects.items() if ref.kind == "PersistentVolumeClaim"
    }


def _mounts(found: PlannedCluster) -> dict[str, tuple[str, ...]]:
    """The PVCs that each Deployment mounts."""
    deployments = {ref.name: thing for ref, thing in found.objects.items() if ref.kind == "Deployment"}
    return {name: objects.mounts(thing["spec"]["template"]) for name, thing in deployments.items()}


def _owned_claims(found: PlannedCluster) -> set[str]:
    return {ref.name for ref in _claims(found) if found.objects[ref]["metadata"].get("ownerReferences")}


def _to_be_deleted(spec: dict[str, Any]) -> set[str]:
    """The PVCs that the spec asks for, and of which it says that they go with the pipeline."""
    parts = {name: spec[name] for name in ("whisper", "ollama")}
    caches = {name: Cache.model_validate(part.get("cache", {})) for name, part in parts.items() if "url" not in part}
    return {f"calls-{name}" for name, cache in caches.items() if cache.creates_pvc and cache.when_deleted == "Delete"}


def _specs(found: PlannedCluster) -> dict[Ref, Any]:
    """The objects without metadata and status, without PVCs, which may be left over, and without the replicas that
    follow a load: those from before stay until it changes them.
    """
    built = copy.deepcopy({ref: thing for ref, thing in found.objects.items() if ref.kind != "PersistentVolumeClaim"})
    for scaler in [thing for ref, thing in built.items() if ref.kind == "HorizontalPodAutoscaler"]:
        target = scaler["spec"]["scaleTargetRef"]
        built[Ref(target["kind"], target["name"])]["spec"].pop("replicas", None)
    for name in ("whisper", "ollama"):
        bounds = Scaling.model_validate(found.raw["spec"].get(name, {}).get("scaling", {}))
        if bounds.min_replicas != bounds.maximum and (live := built.get(Ref("Deployment", f"calls-{name}"))):
            live["spec"].pop("replicas")
    return {
        ref: {key: value for key, value in thing.items() if key not in {"metadata", "status"}}
        for ref, thing in built.items()
    }


def _verdicts(found: PlannedCluster) -> list[tuple[str, str, str]]:
    """The conditions, but for that of PVCs of before, which a new pipeline does not have."""
    said = (one for one in found.raw["status"]["conditions"] if one["type"] != "PVCsOrphaned")
    return [(one["type"], one["status"], one["reason"]) for one in said]
