"""A right to read that is missing is named, verb and resource; given back, the work goes on."""

import pytest

from cluster.api import Api, Object
from cluster.expected import pipeline, ready, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from cluster.rights import without

pytestmark = pytest.mark.cluster


async def test_a_right_to_read_that_is_missing_is_named(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with without(api, "list", "deployments"), Operator(stage, RESYNC_INTERVAL="1"):
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", "not allowed to list deployments"))
        await api.apply(await full_role(api))
        await api.until("SpeechPipeline", namespace, "p", ready)


async def full_role(api: Api) -> Object:
    """The role with the right given back."""
    role = await api.get("ClusterRole", None, "speech-operator")
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}
    return {**role, "metadata": {"name": "speech-operator"}, "rules": [*role["rules"], rule]}
