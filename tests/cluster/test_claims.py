"""PVCs on a real API server: no change of the spec deletes one, and none goes with a pipeline that must not."""

from collections.abc import Callable
from typing import Any

import pytest

from cluster.api import APPLY, Api, Object
from cluster.expected import WITH_ITS_CLAIMS, condition, objects, pipeline, ready, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator
from cluster.pod_status import Fate, Unschedulable
from fakes.ollama import FakeOllama

pytestmark = pytest.mark.cluster

PVC = "PersistentVolumeClaim"
MISSING = "mine"


def lacks(claim: str) -> Callable[[Object], Fate | None]:
    """The fate of pods in a cluster that does not have this PVC, in the scheduler's words."""
    fate = Unschedulable(f'0/1 nodes are available: persistentvolumeclaim "{claim}" not found. not found')
    return lambda pod: fate if claim in mounts(pod) else None


def mounts(pod: Object) -> list[str]:
    return [volume.get("persistentVolumeClaim", {}).get("claimName") for volume in pod["spec"].get("volumes", [])]


def owners(claim: Object) -> list[str]:
    return [owner["kind"] for owner in claim["metadata"].get("ownerReferences", [])]


async def change(api: Api, namespace: str, spec: dict[str, Any]) -> None:
    await api.patch("SpeechPipeline", namespace, "p", {"spec": spec})


async def cache(api: Api, namespace: str, **fields: Any) -> None:
    """Replace what the spec says of Ollama's cache; None removes a field."""
    await change(api, namespace, {"ollama": {"cache": fields}})


@pytest.fixture
async def claim(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> Object:
    """The PVC of Ollama's, with the models in it, of a pipeline `p` that is ready and would take it with it."""
    assert operator
    kubelet.fate = lacks(MISSING)
    await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))
    await api.until("SpeechPipeline", namespace, "p", ready)
    found = await api.get(PVC, namespace, "p-ollama")
    assert owners(found) == ["SpeechPipeline"]
    return found


def same(found: Object, claim: Object) -> bool:
    """Whether it is the PVC that it was, found by its labels, and stays."""
    before, now = claim["metadata"], found["metadata"]
    return now["uid"] == before["uid"] and now["labels"] == before["labels"] and "deletionTimestamp" not in now


def command(namespace: str) -> str:
    return f"kubectl delete pvc p-ollama -n {namespace}"


async def test_pods_keep_their_volume_while_the_existing_claim_does_not_exist(
    api: Api, namespace: str, claim: Object
) -> None:
    [pod] = await api.list("Pod", namespace, labelSelector="app.kubernetes.io/component=ollama")

    await cache(api, namespace, existingClaim=MISSING, whenDeleted=None)

    words = ("PVCNotFound", f'"{MISSING}" not found')
    found = await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", *words))
    assert condition(found, "OllamaAvailable")["status"] == "True"
    assert condition(found, "PVCsOrphaned") == {}, "it is in use"
    kept = await api.get(PVC, namespace, "p-ollama")
    assert same(kept, claim)
    assert owners(kept) == []

    await cache(api, namespace, existingClaim=None, whenDeleted="Delete")

    await api.until("SpeechPipeline", namespace, "p", ready)
    again = await api.get(PVC, namespace, "p-ollama")
    assert same(again, claim)
    assert owners(again) == ["SpeechPipeline"], "as the spec says again"
    [still] = await api.list("Pod", namespace, labelSelector="app.kubernetes.io/component=ollama")
    assert still["metadata"]["uid"] == pod["metadata"]["uid"], "no pod was replaced"


async def test_pods_move_to_an_existing_claim_and_the_one_before_is_told_once(
    api: Api, namespace: str, claim: Object, kubelet: Kubelet
) -> None:
    kubelet.fate = lambda _: None
    await have(api, namespace, MISSING)

    await cache(api, namespace, existingClaim=MISSING, whenDeleted=None)

    await api.until("SpeechPipeline", namespace, "p", says("PVCsOrphaned", "True", command(namespace)))
    found = await api.until("SpeechPipeline", namespace, "p", ready)
    assert same(await api.get(PVC, namespace, "p-ollama"), claim)
    await told_once(api, namespace, found)


async def have(api: Api, namespace: str, name: str) -> None:
    """A PVC of the user's."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}}
    await api.create({"apiVersion": "v1", "kind": PVC, "metadata": {"name": name}, "spec": spec}, namespace)


async def told_once(api: Api, namespace: str, found: Object) -> None:
    about = f"involvedObject.uid={found['metadata']['uid']},reason=PVCOrphaned"
    async for _, event in api.watch("Event", namespace, fieldSelector=about):
        assert command(namespace) in event["message"]
        break
    assert len(await api.list("Event", namespace, fieldSelector=about)) == 1


async def test_an_orphan_outlives_the_pipeline(api: Api, namespace: str, claim: Object, kubelet: Kubelet) -> None:
    assert kubelet
    async with FakeOllama(models=["llama3:latest"]) as elsewhere:
        await change(api, namespace, {"ollama": {"url": elsewhere.url, "cache": None}})
        found = await api.until("SpeechPipeline", namespace, "p", says("PVCsOrphaned", "True", command(namespace)))
        assert condition(found, "Ready")["status"] == "True", "it is no fault"

        made = await objects(api, namespace)
        await api.delete("SpeechPipeline", namespace, "p")
        for kind, name in made:
            if (kind, name) != (PVC, "p-ollama"):
                await api.until_gone(kind, namespace, name)

    assert (PVC, "p-whisper") in made, "which went with the pipeline, so the garbage collector has been there"
    kept = await api.get(PVC, namespace, "p-ollama")
    assert same(kept, claim)


async def test_the_report_ends_when_the_orphan_is_deleted(api: Api, namespace: str, claim: Object) -> None:
    assert claim
    await have(api, namespace, MISSING)
    await cache(api, namespace, existingClaim=MISSING, whenDeleted=None)
    await api.until("SpeechPipeline", namespace, "p", says("PVCsOrphaned", "True"))

    await api.delete(PVC, namespace, "p-ollama")

    await api.until_gone(PVC, namespace, "p-ollama")
    await api.until("SpeechPipeline", namespace, "p", lambda found: not condition(found, "PVCsOrphaned"))


async def test_the_pipelines_own_pvc_by_name_is_kept_and_goes_on_serving(
    api: Api, namespace: str, claim: Object
) -> None:
    [pod] = await api.list("Pod", namespace, labelSelector="app.kubernetes.io/component=ollama")

    await cache(api, namespace, existingClaim="p-ollama", whenDeleted=None)

    found = await api.until("SpeechPipeline", namespace, "p", ready)
    assert condition(found, "PVCsOrphaned") == {}, "it is in use"
    kept = await api.get(PVC, namespace, "p-ollama")
    assert same(kept, claim)
    assert owners(kept) == []
    [still] = await api.list("Pod", namespace, labelSelector="app.kubernetes.io/component=ollama")
    assert still["metadata"]["uid"] == pod["metadata"]["uid"], "no pod was replaced"


async def test_what_is_to_be_retained_loses_its_owner_though_another_manager_has_set_it_too(
    api: Api, namespace: str, claim: Object
) -> None:
    """As a restore from a backup does; server-side apply would leave it, and the data would go with the pipeline."""
    both = {"metadata": {"name": "p-ollama", "ownerReferences": claim["metadata"]["ownerReferences"]}}
    body = {"apiVersion": "v1", "kind": PVC, **both}
    await api.patch(PVC, namespace, "p-ollama", body, content_type=APPLY, fieldManager="backup", force="true")

    await cache(api, namespace, whenDeleted="Retain")

    await api.until("SpeechPipeline", namespace, "p", ready)
    kept = await api.until(PVC, namespace, "p-ollama", lambda found: not owners(found))
    assert same(kept, claim)


async def test_a_pvc_of_another_owner_of_the_same_name_is_not_taken_over(
    operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert operator
    assert kubelet
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Gi"}}}
    theirs = {"apiVersion": "v1", "kind": PVC, "metadata": {"name": "p-ollama", "labels": {"app": "phone"}}}
    before = await api.create({**theirs, "spec": spec}, namespace)

    await api.create(pipeline(namespace, **WITH_ITS_CLAIMS))

    words = ("NameConflict", f"{PVC} p-ollama", "cache.existingClaim")
    await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", *words))
    there = (await api.get(PVC, namespace, "p-ollama"))["metadata"]
    assert {name: there.get(name) for name in ("uid", "labels", "ownerReferences")} == {
        "uid": before["metadata"]["uid"],
        "labels": {"app": "phone"},
        "ownerReferences": None,
    }

    await cache(api, namespace, existingClaim="p-ollama", whenDeleted=None)

    await api.until("SpeechPipeline", namespace, "p", ready)
