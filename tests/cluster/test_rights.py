"""A right to write that is taken away is named, verb and resource; given back, the work goes on."""

import pytest

from cluster.api import Api
from cluster.expected import pipeline, ready, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator
from cluster.rights import without

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("verb", "resource"), [("create", "deployments"), ("patch", "services"), ("create", "ingresses")]
)
async def test_a_right_to_write_that_is_missing_is_named(
    verb: str, resource: str, operator: Operator, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert operator
    assert kubelet
    exposed = {"ingress": {"host": "speech.example.com", "className": "traefik"}}
    async with without(api, verb, resource):
        await api.create(pipeline(namespace, bridge=exposed))
        words = (f"not allowed to {verb} {resource}", f"in namespace {namespace}")
        await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", "Forbidden", *words))
    await api.until("SpeechPipeline", namespace, "p", ready)
