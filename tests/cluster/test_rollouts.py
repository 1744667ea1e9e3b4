"""Rollouts where a second pod cannot start, carried out by the real Deployment controller."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from cluster.api import Api, Object
from cluster.expected import pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator
from cluster.pod_status import Fate, Unschedulable
from speechoperator.api.names import DESIRED_REPLICAS
from speechoperator.settings import OPERATOR

pytestmark = pytest.mark.cluster

IN_PLACE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
WHISPER = "app.kubernetes.io/component=whisper,app.kubernetes.io/instance=p"
REVISION = "deployment.kubernetes.io/revision"


class OneGpu:
    """The fate of pods of Whisper in a cluster with one GPU: only one of them finds a node."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._holder: str | None = None
        self._ended: set[str] = set()
        kubelet.fate, kubelet.ended = self, self.end

    def end(self, pod: Object) -> bool:
        """Take the GPU back if the pod has it. What is heard of the pod later is older."""
        uid = pod["metadata"]["uid"]
        self._ended.add(uid)
        if self._holder != uid:
            return False
        self._holder = None
        return True

    def __call__(self, pod: Object) -> Fate | None:
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] != "whisper":
            return None
        uid = pod["metadata"]["uid"]
        if uid in self._ended or "deletionTimestamp" in pod["metadata"]:
            return Unschedulable()
        self._holder = self._holder or uid
        return None if self._holder == uid else Unschedulable()


async def until_replicas(api: Api, namespace: str, *expected: int) -> None:
    """Wait until the ReplicaSets of Whisper have these replicas, the oldest first; those without any do not count."""

    def as_expected(found: Sequence[Object]) -> bool:
        by_age = sorted(found, key=lambda one: int(one["metadata"]["annotations"][REVISION]))
        return tuple(one["spec"]["replicas"] for one in by_age if one["spec"]["replicas"]) == expected

    await api.until_all("ReplicaSet", namespace, as_expected, labelSelector=WHISPER)


async def until_serving(api: Api, namespace: str, pods: int) -> None:
    """Wait until the Deployment controller has seen so many pods of Whisper ready."""
    await api.until("Deployment", namespace, "p-whisper", lambda found: found["status"].get("readyReplicas") == pods)


async def variable(api: Api, namespace: str, value: str, **whisper: Any) -> None:
    """Change a variable of Whisper, which needs new pods."""
    env = [{"name": "A", "value": value}]
    await api.patch("SpeechPipeline", namespace, "p", {"spec": {"whisper": {"env": env, **whisper}}})


async def settled(api: Api, namespace: str, value: str) -> None:
    """Wait until a pod of Whisper that has the variable serves."""

    def serves(found: Sequence[Object]) -> bool:
        return any(
            {"name": "A", "value": value} in pod["spec"]["containers"][0]["env"]
            and any(one.get("ready") for one in pod["status"].get("containerStatuses", ()))
            for pod in found
        )

    await api.until_all("Pod", namespace, serves, labelSelector=WHISPER)
    await api.until("SpeechPipeline", namespace, "p", ready)


async def test_fewer_replicas_end_a_rollout_that_waits_for_a_gpu(
    operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    """With the strategy Recreate, the Deployment controller would neither scale nor roll out any more."""
    assert operator
    OneGpu(kubelet)
    two = {"minReplicas": 2, "maxReplicas": 2}
    await api.create(pipeline(namespace, whisper={"gpu": {"count": 1}, "scaling": two}))
    await until_replicas(api, namespace, 2)
    await until_serving(api, namespace, 1)  # else either of the two may be deleted, also the one with the GPU
    await variable(api, namespace, "new")
    await until_replicas(api, namespace, 1, 1)

    await variable(api, namespace, "new", scaling={"minReplicas": 1, "maxReplicas": 1})

    await settled(api, namespace, "new")
    await until_replicas(api, namespace, 1)
    assert (await api.get("Deployment", namespace, "p-whisper"))["spec"]["strategy"] == IN_PLACE


async def test_a_rollout_that_kubernetes_has_stopped_goes_on(
    operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    """As after a change of the replicas between two steps of the rollout before: see `plan/rollout/stuck.py`."""
    assert operator
    assert kubelet
    await api.create(pipeline(namespace))
    await api.until("SpeechPipeline", namespace, "p", ready)
    (old,) = await api.list("ReplicaSet", namespace, labelSelector=WHISPER)
    noted = {"metadata": {"annotations": {DESIRED_REPLICAS: "2"}}}
    await api.patch("ReplicaSet", namespace, old["metadata"]["name"], noted)

    await variable(api, namespace, "new")

    await settled(api, namespace, "new")
    await until_replicas(api, namespace, 1)
    left = await api.get("ReplicaSet", namespace, old["metadata"]["name"])
    assert left["spec"]["replicas"] == 0


async def test_one_gpu_and_one_replica(operator: Operator, api: Api, namespace: str, kubelet: Kubelet) -> None:
    assert operator
    OneGpu(kubelet)
    await api.create(pipeline(namespace, whisper={"gpu": {"count": 1}}))
    await api.until("SpeechPipeline", namespace, "p", ready)

    await variable(api, namespace, "new")

    await settled(api, namespace, "new")


async def test_a_deployment_with_the_strategy_recreate_is_taken_over_without_new_pods(
    operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    """As releases before decision 27 have applied it."""
    assert operator
    assert kubelet
    await api.create(pipeline(namespace))
    await api.until("SpeechPipeline", namespace, "p", ready)
    live = await api.get("Deployment", namespace, "p-whisper")
    [pod] = await api.list("Pod", namespace, labelSelector=WHISPER)

    older = await api.apply(as_manifest(live, {"type": "Recreate"}), manager=OPERATOR)

    assert older["spec"]["strategy"] == {"type": "Recreate"}
    taken = await api.until("Deployment", namespace, "p-whisper", lambda found: found["spec"]["strategy"] == IN_PLACE)
    await api.until("SpeechPipeline", namespace, "p", ready)
    [still] = await api.list("Pod", namespace, labelSelector=WHISPER)
    assert still["metadata"]["uid"] == pod["metadata"]["uid"]
    assert taken["spec"]["template"] == live["spec"]["template"]


def as_manifest(live: Object, strategy: Object) -> Object:
    """A Deployment as it is applied, without its replicas, which are the scaler's."""
    wanted = copy.deepcopy(live)
    del wanted["status"], wanted["spec"]["replicas"]
    for name in ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp"):
        del wanted["metadata"][name]
    wanted["spec"]["strategy"] = strategy
    return wanted
