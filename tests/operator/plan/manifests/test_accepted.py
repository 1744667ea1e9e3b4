"""A real API server accepts every manifest, and returns nothing that would count as drift."""

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
from speechoperator.kube.errors import Request, api_error
from speechoperator.kube.objects import Ref
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.manifests.build import build
from speechoperator.plan.manifests.immutable_fields import adopt_immutable_fields
from speechoperator.plan.manifests.unsupported_fields import without_unsupported_fields
from speechoperator.plan.snapshot import WriteFailure

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
    """An API server with the objects that the golden pipelines refer to."""
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
    """A namespace that enforces the restricted Pod Security Standard."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    await cluster.patch("Namespace", None, namespace, {"metadata": {"labels": label}})
    yield namespace
    for pipeline in await cluster.list("SpeechPipeline", namespace):
        await cluster.delete("SpeechPipeline", namespace, pipeline["metadata"]["name"])


async def wanted(cluster: Api, namespace: str, case: str) -> list[Any]:
    """The stamped manifests of a golden pipeline in this namespace; their owner exists."""
    pipeline = goldens.raw(case)
    owner = {**goldens.raw("minimal"), "metadata": {"name": pipeline["metadata"]["name"], "namespace": namespace}}
    found = await cluster.apply(owner)
    parsed = SpeechPipeline.parse({**pipeline, "metadata": found["metadata"]})
    return [stamped(one) for one in build(parsed, goldens.SETTINGS, from_spec(parsed, goldens.SETTINGS))]


async def applied(cluster: Api, objects: list[Any], **query: str) -> list[Object]:
    return [await cluster.apply(one, manager=MANAGER, **query) for one in objects]


async def read(cluster: Api, objects: list[Any]) -> list[Object]:
    return [await cluster.get(one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]) for one in objects]


def differences(objects: list[Any], live: list[Object]) -> list[str]:
    return [
        f"{one['kind']} {one['metadata']['name']}: {why}"
        for one, found in zip(objects, live, strict=True)
        if (why := differs(one, found))
    ]


@pytest.mark.parametrize("case", goldens.CASES)
async def test_an_applied_manifest_needs_no_second_write(cluster: Api, restricted: str, case: str) -> None:
    objects = await wanted(cluster, restricted, case)
    await applied(cluster, objects, dryRun="All")

    returned = await applied(cluster, objects)
    live = await read(cluster, objects)

    assert differences(objects, returned) == []
    assert differences(objects, live) == []
    assert await _still_written(cluster, objects) == []


@pytest.mark.parametrize("case", goldens.CASES)
async def test_pods_meet_the_restricted_pod_security_standard(cluster: Api, restricted: str, case: str) -> None:
    objects = await wanted(cluster, restricted, case)
    await applied(cluster, [one for one in objects if one["kind"] == "ServiceAccount"])

    for one in objects:
        if one["kind"] == "Deployment":
            template = one["spec"]["template"]
            metadata = {**template["metadata"], "name": one["metadata"]["name"], "namespace": restricted}
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
            await cluster.create(pod, dryRun="All")


ROUND = ["minimal", "full", "replicas", "external", "gpu", "webservice", "autoscaled", "suspended", "webservice-gpu"]
ROUND += ["pod-template"]


def test_the_round_includes_all_golden_pipelines_but_the_examples() -> None:
    assert sorted([*ROUND, *goldens.EXAMPLES]) == goldens.CASES


@pytest.mark.parametrize(("before", "after"), list(zip(ROUND, [*ROUND[1:], ROUND[0]], strict=True)))
async def test_a_changed_pipeline_equals_a_new_one(cluster: Api, restricted: str, before: str, after: str) -> None:
    old = await applied(cluster, await wanted(cluster, restricted, before))
    objects = [_adopted(one, old) for one in await wanted(cluster, restricted, after)]

    live = await applied(cluster, objects)

    assert differences(objects, live) == []
    for one, changed in zip(objects, live, strict=True):
        await cluster.delete(one["kind"], restricted, one["metadata"]["name"], propagationPolicy="Background")
        if one["kind"] != "PersistentVolumeClaim":  # whose finalizer waits for a controller
            await cluster.until_gone(one["kind"], restricted, one["metadata"]["name"])
            [new] = await applied(cluster, [one])
            assert _content(changed) == _content(new)


EDITS: list[tuple[str, str, Object, str]] = [
    ("Deployment", "ollama", {"spec": {"replicas": 9}}, "spec.replicas is 9, wanted 1"),
    ("Deployment", "bridge", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": "50%"}}}}, "maxSurge"),
    ("Deployment", "bridge", {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}, "nodeSelector.a"),
    ("Deployment", "bridge", {"spec": {"template": {"spec": {"automountServiceAccountToken": None}}}}, "automount"),
    ("Deployment", "whisper", {"spec": {"template": {"spec": {"tolerations": []}}}}, "tolerations"),
    ("ConfigMap", "bridge", {"data": {"MODELS": None}}, "data.MODELS is missing"),
    ("ConfigMap", "bridge", {"data": {"MODELS": "other"}}, 'data.MODELS is "other", wanted "llama3"'),
    ("Service", "whisper-pods", {"spec": {"selector": {"pod": "none"}}}, "spec.selector.pod is set, and not wanted"),
    ("Service", "bridge", {"metadata": {"labels": {"app.kubernetes.io/component": "x"}}}, "metadata.labels"),
    ("Service", "bridge", {"metadata": {"ownerReferences": None}}, "metadata.ownerReferences is missing"),
    ("Service", "bridge", {"metadata": {"annotations": {APPLIED: None}}}, "metadata.annotations"),
    ("ServiceAccount", "bridge", {"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    ("NetworkPolicy", "ollama", {"spec": {"ingress": [{}]}}, "spec.ingress"),
    (
        "NetworkPolicy",
        "ollama",
        {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
        "matchLabels.a is set, and not wanted",
    ),
    ("Ingress", "bridge", {"spec": {"rules": [{"host": "other.example"}]}}, "spec.rules"),
    ("PodDisruptionBudget", "bridge", {"spec": {"maxUnavailable": "50%"}}, "spec.maxUnavailable"),
]


@pytest.mark.parametrize(("kind", "suffix", "edit", "why"), EDITS)
async def test_drift_is_detected_and_reverted(
    cluster: Api, restricted: str, kind: str, suffix: str, edit: Object, why: str
) -> None:
    name = f"support-calls-{suffix}"
    objects = await wanted(cluster, restricted, "full")
    [one] = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    await applied(cluster, [one])

    edited = await cluster.patch(kind, restricted, name, edit)
    assert why in (differs(one, edited) or "no difference")

    [reverted] = await applied(cluster, [one])
    assert differs(one, reverted) is None


@pytest.mark.parametrize(("before", "replicas"), [("full", 3), ("suspended", 1)])
async def test_a_bridge_keeps_its_replicas_when_autoscaling_is_enabled(
    cluster: Api, restricted: str, before: str, replicas: int
) -> None:
    bridge = ("Deployment", restricted, "support-calls-bridge")
    live = await applied(cluster, await wanted(cluster, restricted, before))
    objects = await wanted(cluster, restricted, "autoscaled")

    await applied(cluster, [_adopted(one, live) for one in objects])
    assert (await cluster.get(*bridge))["spec"]["replicas"] == replicas

    await cluster.patch(*bridge, {"spec": {"replicas": 5}}, sub="scale", fieldManager="autoscaler")
    live = await read(cluster, objects)
    adopted = [_adopted(one, live) for one in objects]
    assert differences(adopted, live) == []
    await applied(cluster, adopted)
    assert (await cluster.get(*bridge))["spec"]["replicas"] == 5


async def test_fields_of_other_managers_are_kept_and_are_no_drift(cluster: Api, restricted: str) -> None:
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

    live = await cluster.apply(theirs, manager="other")
    assert differs(one, live) is None

    await applied(cluster, [one])
    live = await cluster.get("Deployment", restricted, one["metadata"]["name"])
    containers = live["spec"]["template"]["spec"]["containers"]
    assert {container["name"] for container in containers} == {"bridge", "sidecar"}
    assert live["metadata"]["labels"]["team"] == "speech"


async def test_a_gateway_api_without_timeouts_accepts_the_route_without_them(cluster: Api, restricted: str) -> None:
    """Gateway API 1.0 and 1.1 in their standard channel."""
    routes = yaml.safe_load((goldens.FOLDER / "httproutes.yaml").read_text())
    older = copy.deepcopy(routes)
    spec = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["rules"]["items"]["properties"]["timeouts"]
    [route] = [one for one in await wanted(cluster, restricted, "external") if one["kind"] == "HTTPRoute"]
    await cluster.apply(older)
    try:
        await cluster.until("CustomResourceDefinition", None, routes["metadata"]["name"], _served)
        with pytest.raises(ApiError) as refused:
            await applied(cluster, [route])
        error = api_error(Request("patch", "httproutes"), refused.value.code, refused.value.message)
        assert not error.affects_all

        failure = WriteFailure(Ref("HTTPRoute", route["metadata"]["name"]), "patch", error.status, error.message)
        [bare] = [stamped(one) for one in without_unsupported_fields([route], {}, [failure])]
        [live] = await applied(cluster, [bare], fieldValidation="Strict")

        assert differs(bare, live) is None
        [later] = without_unsupported_fields([route], {failure.ref: live}, [])
        assert "timeouts" not in later["spec"]["rules"][0]
    finally:
        await cluster.apply(routes)


def _address(one: Any) -> Object:
    return {key: one["metadata"][key] for key in ("name", "namespace")}


def _adopted(one: Any, live: list[Object]) -> Any:
    """The manifest as the plan applies it to an existing object."""
    existing = {(other["kind"], other["metadata"]["name"]): other for other in live}
    found = existing.get((one["kind"], one["metadata"]["name"]))
    return adopt_immutable_fields(one, found) if found else one


async def _still_written(cluster: Api, objects: list[Any], *, attempts: int = 5) -> list[str]:
    """The objects of which every apply makes a new version.

    A single new version proves nothing: the second write of a PVC always makes one, and the cluster's controllers
    write the status of a Deployment at any time.
    """
    for _ in range(attempts):
        before = await read(cluster, objects)
        after = await applied(cluster, objects)
        objects = [one for one, old, new in zip(objects, before, after, strict=True) if _version(old) != _version(new)]
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects]


def _version(one: Object) -> str:
    return str(one["metadata"]["resourceVersion"])


def _content(live: Object) -> Object:
    """The object without its status and the server's own metadata."""
    content = copy.deepcopy({key: value for key, value in live.items() if key != "status"})
    content["metadata"] = {key: content["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences")}
    if content["kind"] == "Service":
        for address in ("clusterIP", "clusterIPs"):
            content["spec"].pop(address, None)
        for port in content["spec"]["ports"]:
            port.pop("nodePort", None)  # chosen by the API server
    if content["kind"] == "Deployment":
        content["metadata"]["annotations"].pop("deployment.kubernetes.io/revision", None)
    return content


def _served(crd: Object) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
