"""PVCs: a change of the spec never deletes data. What is no longer used is orphaned and reported."""

from collections.abc import Callable
from typing import Any

import pytest

from cluster.pipelines import of_ollama, of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster
from speechoperator.kube.objects import Ref
from speechoperator.plan import Event, Orphan, Plan
from speechoperator.plan.rollout.claims import obstacle
from speechoperator.plan.snapshot import Health

pytestmark = pytest.mark.unit

Spec = dict[str, Any]

OLLAMA = Ref("PersistentVolumeClaim", "calls-ollama")
DELETE = of_ollama(cache={"whenDeleted": "Delete"})
RETAIN = of_ollama(cache={"whenDeleted": "Retain"})
ELSEWHERE = of_ollama(url="http://gpu-box:11434")
REPORT = (
    "PVC calls-ollama is no longer used by this pipeline. If nothing else needs its data, delete it with: "
    "kubectl delete pvc calls-ollama -n team"
)


def running(*changes: Spec) -> PlannedCluster:
    """A cluster in which the pipeline has come to rest."""
    found = PlannedCluster(pipeline(*changes))
    found.external_models = {"llama3:latest"}
    found.health = {"ollama": Health(healthy=True)}
    found.run()
    return found


def changed(found: PlannedCluster, *changes: Spec) -> Plan:
    """The first plan for a new spec."""
    found.edit(pipeline(*changes)["spec"])
    return found.plan()


def owners(found: PlannedCluster) -> list[str]:
    return [owner["uid"] for owner in found.objects[OLLAMA]["metadata"].get("ownerReferences", [])]


def condition(plan: Plan, kind: str) -> dict[str, Any] | None:
    return next((one for one in plan.status["conditions"] if one["type"] == kind), None)


def reported(plan: Plan) -> str:
    """What the status says of orphaned PVCs; empty where it says nothing."""
    return (condition(plan, "PVCsOrphaned") or {"message": ""})["message"]


NO_LONGER_WANTED = {
    "a PVC of the user's": of_ollama(cache={"existingClaim": "mine"}),
    "its own PVC by name": of_ollama(cache={"existingClaim": "calls-ollama"}),
    "the other part's PVC": of_ollama(cache={"existingClaim": "calls-whisper"}),
    "a service elsewhere": ELSEWHERE,
    "a service elsewhere while suspended": ELSEWHERE | {"suspend": True},
    "the node's disk": of_ollama(cache={"ephemeral": True}),
    "a folder of the node": of_ollama(cache={"nodePath": "/var/lib/models"}),
    "an image": of_ollama(cache={"image": "models:1"}),
    "several replicas with the default cache": of_ollama(scaling={"maxReplicas": 2}),
}
"""Specs that do not ask for Ollama's PVC."""


@pytest.mark.parametrize("after", NO_LONGER_WANTED.values(), ids=NO_LONGER_WANTED)
def test_a_pvc_that_the_spec_no_longer_asks_for_is_orphaned_at_once_and_stays(after: Spec) -> None:
    found = running(DELETE)
    uid = found.objects[OLLAMA]["metadata"]["uid"]

    plan = changed(found, after)

    why = "PersistentVolumeClaim calls-ollama was removed from the spec"
    assert plan.orphan == (Orphan(OLLAMA, "pipeline-uid", why, uid),)
    assert OLLAMA not in {gone.ref for gone in plan.delete}
    found.run()
    assert found.objects[OLLAMA]["metadata"]["uid"] == uid
    assert owners(found) == []


def test_a_suspended_pipeline_still_owns_its_pvcs() -> None:
    found = running(DELETE)

    plan = changed(found, DELETE, {"suspend": True})

    assert plan.orphan == ()
    assert owners(found) == ["pipeline-uid"]


def test_its_own_pvc_by_name_rolls_no_pod_and_is_not_reported() -> None:
    found = running(DELETE)
    pods = [pod["metadata"]["name"] for pod in found.pods]

    plan = changed(found, of_ollama(cache={"existingClaim": "calls-ollama"}))
    found.run()

    assert plan.apply == ()
    assert [pod["metadata"]["name"] for pod in found.pods] == pods
    assert reported(found.plan()) == ""


def test_an_orphan_is_reported_with_the_command_and_keeps_nothing_from_being_ready() -> None:
    found = running(DELETE)
    found.edit(pipeline(ELSEWHERE)["spec"])

    plan = found.run()

    assert reported(plan) == REPORT
    said = condition(plan, "PVCsOrphaned")
    assert said
    assert (said["status"], said["reason"]) == ("True", "NotUsed")
    ready, progressing = condition(plan, "Ready"), condition(plan, "Progressing")
    assert ready
    assert progressing
    assert (ready["status"], progressing["reason"]) == ("True", "UpToDate")


def events_of(found: PlannedCluster, *changes: Spec) -> list[Event]:
    """The Events on the way to a new spec."""
    found.edit(pipeline(*changes)["spec"])
    told: list[Event] = []
    for _ in range(20):
        told += found.step().events
        found.settle()
    return told


def test_an_orphan_is_one_event() -> None:
    told = events_of(running(DELETE), ELSEWHERE)

    assert [event for event in told if event.reason == "PVCOrphaned"] == [Event("Normal", "PVCOrphaned", REPORT)]


def test_each_of_several_orphans_is_told_once() -> None:
    found = running()
    whisper = of_whisper(url="http://asr:9000")
    found.health = {part: Health(healthy=True) for part in ("whisper", "ollama")}

    first = events_of(found, whisper)
    second = events_of(found, whisper, ELSEWHERE)
    del found.objects[OLLAMA]
    third = events_of(found, whisper, ELSEWHERE)

    told = [[event.message.split()[1] for event in one if event.reason == "PVCOrphaned"] for one in (first, second)]
    assert told == [["calls-whisper"], ["calls-ollama"]]
    assert third == []
    assert reported(found.plan()).startswith("PVC calls-whisper is")


def wanted_again(found: PlannedCluster) -> None:
    found.edit(pipeline()["spec"])


def deleted(found: PlannedCluster) -> None:
    del found.objects[OLLAMA]


def being_deleted(found: PlannedCluster) -> None:
    found.objects[OLLAMA]["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"


def mounted_by_name(found: PlannedCluster) -> None:
    found.edit(pipeline(of_whisper(cache={"existingClaim": "calls-ollama"}), ELSEWHERE)["spec"])


@pytest.mark.parametrize("what", [wanted_again, deleted, being_deleted, mounted_by_name])
def test_the_report_ends(what: Callable[[PlannedCluster], None]) -> None:
    found = running(DELETE)
    found.edit(pipeline(ELSEWHERE)["spec"])
    found.run()

    what(found)
    plan = found.run()

    assert "calls-ollama" not in reported(plan)
    ready = condition(plan, "Ready")
    assert ready
    assert ready["status"] == "True"


def test_a_pvc_that_pods_still_mount_is_orphaned_and_not_yet_reported() -> None:
    found = running(DELETE)
    found.health = {"ollama": Health(healthy=False)}  # so the bridges keep the old address, and its pods

    changed(found, ELSEWHERE)
    found.external_models = set()
    found.step()
    found.settle()

    assert owners(found) == []
    assert found.pods_of("ollama")
    assert reported(found.plan()) == ""


@pytest.mark.parametrize(("again", "owned"), [(DELETE, ["pipeline-uid"]), (RETAIN, [])])
def test_an_orphan_that_is_wanted_again_is_used_again(again: Spec, owned: list[str]) -> None:
    found = running(DELETE)
    uid = found.objects[OLLAMA]["metadata"]["uid"]
    found.edit(pipeline(ELSEWHERE)["spec"])
    found.run()

    found.edit(pipeline(again)["spec"])
    found.run()

    assert found.objects[OLLAMA]["metadata"]["uid"] == uid
    assert owners(found) == owned
    assert not found.plan().orphan


def test_a_pvc_that_is_to_be_retained_after_all_loses_its_owner_whoever_set_it() -> None:
    """Server-side apply leaves what another manager has set too."""
    found = running(RETAIN)
    owner = {"kind": "SpeechPipeline", "name": "calls", "uid": "pipeline-uid"}
    theirs = {"kind": "Application", "name": "phone", "uid": "another"}
    found.objects[OLLAMA]["metadata"]["ownerReferences"] = [owner, theirs]

    (orphan,) = found.plan().orphan
    found.run()

    assert orphan.reason == "PersistentVolumeClaim calls-ollama is to be retained"
    assert owners(found) == ["another"]


def test_a_pvc_of_somebody_else_is_left_alone() -> None:
    found = running(DELETE)
    meta = found.objects[OLLAMA]["metadata"]
    meta["ownerReferences"] = [{"kind": "SpeechPipeline", "name": "calls", "uid": "an-earlier-one"}]

    plan = changed(found, ELSEWHERE)

    assert (plan.orphan, OLLAMA in {gone.ref for gone in plan.delete}) == ((), False)


def test_what_becomes_of_an_orphan_is_no_fault_of_the_part() -> None:
    """Whoever runs the command that the report gives must not be told that the part lacks its PVC."""
    found = running(DELETE)
    found.edit(pipeline(of_ollama(cache={"existingClaim": "mine"}))["spec"])
    found.run()

    being_deleted(found)
    found.objects[OLLAMA]["status"] = {"phase": "Lost"}

    ready = condition(found.plan(), "Ready")
    assert ready
    assert ready["status"] == "True"


MINE = of_ollama(cache={"existingClaim": "mine"})


def mounted(found: PlannedCluster) -> list[str]:
    pod = found.object("Deployment", "calls-ollama")["spec"]["template"]["spec"]
    return [volume["persistentVolumeClaim"]["claimName"] for volume in pod["volumes"] if volume["name"] == "cache"]


def moving(*changes: Spec) -> PlannedCluster:
    """A running pipeline that is told to use a PVC that does not exist."""
    found = running(DELETE)
    found.missing_claims = {"mine"}
    found.edit(pipeline(MINE, *changes)["spec"])
    return found


def test_pods_keep_their_volume_until_the_existing_claim_is_there() -> None:
    found = moving()
    pods = [pod["metadata"]["name"] for pod in found.pods]

    waiting = found.run()

    assert (mounted(found), [pod["metadata"]["name"] for pod in found.pods]) == (["calls-ollama"], pods)
    ready, available = condition(waiting, "Ready"), condition(waiting, "OllamaAvailable")
    assert ready
    assert available
    assert (ready["reason"], available["status"]) == ("PVCNotFound", "True")
    assert 'ollama.cache.existingClaim: persistentvolumeclaim "mine" not found' in ready["message"]
    assert reported(waiting) == "", "it is in use"

    found.missing_claims.clear()
    moved = found.run()

    assert mounted(found) == ["mine"]
    ready = condition(moved, "Ready")
    assert ready
    assert ready["status"] == "True"
    assert reported(moved) == REPORT


def test_nothing_moves_before_the_existing_claim_was_looked_up() -> None:
    found = running(DELETE)
    found.unseen_claims = {"mine"}

    changed(found, MINE)
    found.run()

    assert mounted(found) == ["calls-ollama"]


def test_other_changes_are_made_while_the_existing_claim_is_missing() -> None:
    found = moving({"suspend": True})

    found.run()

    assert found.object("Deployment", "calls-ollama")["spec"]["replicas"] == 0
    assert mounted(found) == ["calls-ollama"]


def test_a_new_pipeline_waits_for_its_existing_claim_in_its_pods() -> None:
    """There is nothing to keep, and the scheduler says what is missing."""
    found = PlannedCluster(pipeline(MINE))
    found.missing_claims = {"mine"}

    found.step()

    assert mounted(found) == ["mine"]


@pytest.mark.parametrize(
    ("claims", "event", "why"),
    [
        ([], "", 'persistentvolumeclaim "mine" not found'),
        (
            [{"metadata": {"name": "mine", "deletionTimestamp": "2026-11-23T12:00:00Z"}}],
            "",
            'persistentvolumeclaim "mine" is being deleted',
        ),
        (
            [{"metadata": {"name": "mine"}, "status": {"phase": "Lost"}}],
            "",
            'the volume of persistentvolumeclaim "mine" is lost',
        ),
        (
            [{"metadata": {"name": "mine"}, "spec": {"accessModes": ["ReadOnlyMany"]}}],
            "",
            'persistentvolumeclaim "mine" is read-only, and models are written to it',
        ),
        (
            [{"metadata": {"name": "mine"}, "status": {"phase": "Pending"}}],
            "ProvisioningFailed",
            'persistentvolumeclaim "mine" is not bound: ProvisioningFailed',
        ),
        (
            [{"metadata": {"name": "mine"}, "status": {"phase": "Pending"}}],
            "",
            'persistentvolumeclaim "mine" is not bound',
        ),
        ([{"metadata": {"name": "mine"}, "status": {"phase": "Pending"}}], "WaitForFirstConsumer", ""),
        ([{"metadata": {"name": "mine"}, "spec": {"accessModes": ["ReadWriteOnce"]}}], "", ""),
    ],
)
def test_an_existing_claim_must_be_usable(claims: list[Spec], event: str, why: str) -> None:
    assert obstacle(claims, "mine", event) == why


def test_pods_that_keep_their_volume_keep_the_strategy_that_fits_it() -> None:
    """Several replicas would fit the PVC of the spec, but not the one that a single node mounts."""
    found = running(DELETE)
    before = found.object("Deployment", "calls-ollama")["spec"]["strategy"]
    found.missing_claims = {"mine"}
    several = {"cache": {"existingClaim": "mine"}, "scaling": {"minReplicas": 2, "maxReplicas": 2}}
    found.edit(pipeline(of_ollama(**several))["spec"])
    found.run()

    spec = found.object("Deployment", "calls-ollama")["spec"]
    assert (spec["strategy"], spec["replicas"]) == (before, 1)

    found.missing_claims.clear()
    found.run()

    spec = found.object("Deployment", "calls-ollama")["spec"]
    assert (spec["strategy"]["rollingUpdate"]["maxSurge"], spec["replicas"]) == (1, 2)


@pytest.mark.parametrize(("cache", "owned"), [({}, []), ({"whenDeleted": "Delete"}, ["pipeline-uid"])])
def test_a_pvc_that_an_earlier_pipeline_has_left_is_used_and_told_and_owned_only_if_the_spec_says_so(
    cache: Spec, owned: list[str]
) -> None:
    left = running(RETAIN)
    found = PlannedCluster(pipeline(of_ollama(cache=cache)))
    found.raw["metadata"]["creationTimestamp"] = "2026-11-24T12:00:00Z"
    found.objects[OLLAMA] = left.objects[OLLAMA]

    told = found.step().events
    found.run()

    assert owners(found) == owned
    assert [event.reason for event in told].count("PVCReused") == 1
    assert not found.plan().events


def test_the_pvcs_of_a_new_pipeline_are_not_told_as_left_by_another() -> None:
    found = PlannedCluster(pipeline())
    found.raw["metadata"]["creationTimestamp"] = "2026-11-23T12:00:00Z"
    planned = found.plan()
    found.carry_out(planned)
    found.raw["status"] = {}

    assert "PVCReused" not in {event.reason for event in found.plan().events}
