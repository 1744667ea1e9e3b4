"""A real API server takes every object as it is, and gives back nothing that would be taken for a change."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

import goldens
from cluster.api import Api, ApiError
from speechoperator.api import SpeechPipeline
from speechoperator.api.labels import MANAGER
from speechoperator.kube.drift import APPLIED, differs, stamped
from speechoperator.plan.manifests.build import build

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

CLASSES: list[Object] = [
    {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "speech"},
        "value": 1000,
    },
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"},
]


@pytest.fixture
async def cluster(api: Api, crd: Object) -> Api:
    """An API server with what the golden pipelines refer to."""
    del crd
    routes = yaml.safe_load((goldens.FOLDER / "httproutes.yaml").read_text())
    await api.apply(routes)
    await api.until("CustomResourceDefinition", None, routes["metadata"]["name"], _served)
    for one in CLASSES:
        try:
            await api.post(f"/apis/{one['apiVersion']}/{one['kind'].lower()}es", one)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
    return api


@pytest.fixture
async def restricted(cluster: Api, namespace: str) -> AsyncIterator[str]:
    """A namespace that takes only pods of the restricted Pod Security Standard."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    await cluster.patch("Namespace", None, namespace, {"metadata": {"labels": label}})
    yield namespace
    for pipeline in await cluster.list("SpeechPipeline", namespace):
        await cluster.delete("SpeechPipeline", namespace, pipeline["metadata"]["name"])


async def wanted(cluster: Api, namespace: str, case: str) -> list[Any]:
    """The objects of a golden pipeline in this namespace, ready to be applied; their owner is really there."""
    pipeline = goldens.raw(case)
    owner = {**goldens.raw("minimal"), "metadata": {"name": pipeline["metadata"]["name"], "namespace": namespace}}
    there = await cluster.apply(owner)
    built = build(SpeechPipeline.parse({**pipeline, "metadata": there["metadata"]}), goldens.SETTINGS)
    return [stamped(one) for one in built]


async def applied(cluster: Api, objects: list[Any], **query: str) -> list[Object]:
    return [await cluster.apply(one, manager=MANAGER, **query) for one in objects]


async def read(cluster: Api, objects: list[Any]) -> list[Object]:
    return [await cluster.get(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]) for one in objects]


def differences(objects: list[Any], live: list[Object]) -> list[str]:
    return [
        f"{one['kind']} {one['metadata']['name']}: {why}"
        for one, there in zip(objects, live, strict=True)
        if (why := differs(one, there))
    ]


@pytest.mark.parametrize("case", goldens.CASES)
async def test_what_was_applied_needs_no_second_write(cluster: Api, restricted: str, case: str) -> None:
    objects = await wanted(cluster, restricted, case)
    await applied(cluster, objects, dryRun="All")

    answered = await applied(cluster, objects)
    live = await read(cluster, objects)

    assert differences(objects, answered) == []
    assert differences(objects, live) == []
    settled = await applied(cluster, objects)  # a claim's first second write makes a version, whatever it says
    assert _versions(await applied(cluster, objects)) == _versions(settled)


@pytest.mark.parametrize("case", goldens.CASES)
async def test_the_pods_keep_the_restricted_standard(cluster: Api, restricted: str, case: str) -> None:
    objects = await wanted(cluster, restricted, case)
    await applied(cluster, [one for one in objects if one["kind"] == "ServiceAccount"])

    for one in objects:
        if one["kind"] == "Deployment":
            template = one["spec"]["template"]
            metadata = {**template["metadata"], "name": one["metadata"]["name"], "namespace": restricted}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
            await cluster.create(pod, dryRun="All")


ROUND = ["minimal", "full", "replicas", "external", "gpu", "webservice", "autoscaled", "suspended", "webservice-gpu"]


def test_the_round_has_all_pipelines() -> None:
    assert sorted(ROUND) == goldens.CASES


@pytest.mark.parametrize(("before", "after"), list(zip(ROUND, [*ROUND[1:], ROUND[0]], strict=True)))
async def test_a_changed_pipeline_becomes_what_a_new_one_would_be(
    cluster: Api, restricted: str, before: str, after: str
) -> None:
    old = await applied(cluster, await wanted(cluster, restricted, before))
    objects = [_fitted(one, old) for one in await wanted(cluster, restricted, after)]

    live = await applied(cluster, objects)

    assert differences(objects, live) == []
    for one, there in zip(objects, live, strict=True):
        await cluster.delete(one["kind"], restricted, one["metadata"]["name"], propagationPolicy="Background")
        if one["kind"] != "PersistentVolumeClaim":  # whose finalizer waits for a controller
            await cluster.until_gone(one["kind"], restricted, one["metadata"]["name"])
            [new] = await applied(cluster, [one])
            assert _said(there) == _said(new)


EDITS: list[tuple[str, str, Object, str]] = [
    ("Deployment", "ollama", {"spec": {"replicas": 9}}, "spec.replicas is 9, wanted 1"),
    ("Deployment", "bridge", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": "50%"}}}}, "maxSurge"),
    ("Deployment", "bridge", {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}, "nodeSelector.a"),
    ("Deployment", "bridge", {"spec": {"template": {"spec": {"automountServiceAccountToken": None}}}}, "automount"),
    ("Deployment", "whisper", {"spec": {"template": {"spec": {"tolerations": []}}}}, "tolerations"),
    ("ConfigMap", "bridge", {"data": {"MODELS": None}}, "data.MODELS is not there"),
    ("ConfigMap", "bridge", {"data": {"MODELS": "other"}}, 'data.MODELS is "other", wanted "llama3"'),
    ("Service", "whisper-pods", {"spec": {"selector": {"pod": "none"}}}, "spec.selector.pod is there"),
    ("Service", "bridge", {"metadata": {"labels": {"app.kubernetes.io/component": "x"}}}, "metadata.labels"),
    ("Service", "bridge", {"metadata": {"ownerReferences": None}}, "metadata.ownerReferences is not there"),
    ("Service", "bridge", {"metadata": {"annotations": {APPLIED: None}}}, "metadata.annotations"),
    ("ServiceAccount", "bridge", {"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    ("NetworkPolicy", "ollama", {"spec": {"ingress": [{}]}}, "spec.ingress"),
    ("NetworkPolicy", "ollama", {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}, "matchLabels.a is there"),
    ("Ingress", "bridge", {"spec": {"rules": [{"host": "other.example"}]}}, "spec.rules"),
    ("PodDisruptionBudget", "bridge", {"spec": {"maxUnavailable": "50%"}}, "spec.maxUnavailable"),
]


@pytest.mark.parametrize(("kind", "suffix", "edit", "why"), EDITS)
async def test_an_edit_is_noticed_and_repaired(
    cluster: Api, restricted: str, kind: str, suffix: str, edit: Object, why: str
) -> None:
    name = f"support-calls-{suffix}"
    objects = await wanted(cluster, restricted, "full")
    [one] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    await applied(cluster, [one])

    edited = await cluster.patch(kind, restricted, name, edit)
    assert why in (differs(one, edited) or "no difference")

    [repaired] = await applied(cluster, [one])
    assert differs(one, repaired) is None


@pytest.mark.parametrize(("before", "replicas"), [("full", 3), ("suspended", 1)])
async def test_a_bridge_that_gets_an_autoscaler_keeps_its_replicas(
    cluster: Api, restricted: str, before: str, replicas: int
) -> None:
    bridge = ("Deployment", restricted, "support-calls-bridge")
    live = await applied(cluster, await wanted(cluster, restricted, before))
    objects = await wanted(cluster, restricted, "autoscaled")

    await applied(cluster, [_fitted(one, live) for one in objects])
    assert (await cluster.get(*bridge))["spec"]["replicas"] == replicas

    await cluster.patch(*bridge, {"spec": {"replicas": 5}}, sub="scale", fieldManager="autoscaler")
    live = await read(cluster, objects)
    adopt_immutable_fields = [_fitted(one, live) for one in objects]
    assert differences(adopt_immutable_fields, live) == []
    await applied(cluster, adopt_immutable_fields)
    assert (await cluster.get(*bridge))["spec"]["replicas"] == 5


async def test_what_others_add_stays_and_is_no_difference(cluster: Api, restricted: str) -> None:
    objects = await wanted(cluster, restricted, "full")
    [one] = [one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"].endswith("bridge")]
    await applied(cluster, [one])
    sidecar = {"name": "sidecar", "image": "proxy:1", "env": [{"name": "A", "value": "b"}]}
    restarted = {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}
    theirs = {
        **{key: one[key] for key in ("apiVersion", "kind")},
        "metadata": {**_address(one), "labels": {"team": "speech"}},
        "spec": {"template": {**restarted, "spec": {"containers": [sidecar]}}},
    }

    live = await cluster.apply(theirs, manager="somebody")
    assert differs(one, live) is None

    await applied(cluster, [one])
    live = await cluster.get("Deployment", restricted, one["metadata"]["name"])
    containers = live["spec"]["template"]["spec"]["containers"]
    assert {container["name"] for container in containers} == {"bridge", "sidecar"}
    assert live["metadata"]["labels"]["team"] == "speech"


def _address(one: Any) -> Object:
    return {key: one["metadata"][key] for key in ("name", "namespace")}


def _fitted(one: Any, live: list[Object]) -> Any:
    """As the plan does it with what is there already."""
    there = {(other["kind"], other["metadata"]["name"]): other for other in live}
    found = there.get((one["kind"], one["metadata"]["name"]))
    return build.adopt_immutable_fields(one, found) if found else one


def _versions(objects: list[Object]) -> dict[str, str]:
    return {f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"] for one in objects}


def _said(live: Object) -> Object:
    """What an object says, without what the server notes about it."""
    said = copy.deepcopy({key: value for key, value in live.items() if key != "status"})
    said["metadata"] = {key: said["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
    if said["kind"] == "Service":
        for address in ("clusterIP", "clusterIPs"):
            said["spec"].pop(address, None)
    if said["kind"] == "Deployment":
        said["metadata"]["annotations"].pop("deployment.kubernetes.io/revision", None)
    return said


def _served(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
