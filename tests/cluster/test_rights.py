"""A right that is taken away is named, verb and resource; given back, the work goes on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from cluster.api import Api, Object
from cluster.expected import pipeline, ready, says
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage

pytestmark = pytest.mark.cluster


@asynccontextmanager
async def without(api: Api, verb: str, resource: str) -> AsyncIterator[None]:
    """Take a verb on a resource out of the operator's role for a while."""
    role = await api.get("ClusterRole", None, "speech-operator")
    rules = []
    for rule in role["rules"]:
        others = [one for one in rule["resources"] if one != resource]
        rules.append({**rule, "resources": others})
        if resource in rule["resources"]:
            rules.append({**rule, "resources": [resource], "verbs": [one for one in rule["verbs"] if one != verb]})
    fewer = [rule for rule in rules if rule["resources"] and rule["verbs"]]
    await api.patch("ClusterRole", None, "speech-operator", {"rules": fewer})
    try:
        yield
    finally:
        await api.patch("ClusterRole", None, "speech-operator", {"rules": role["rules"]})


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
        words = (f"may not {verb} {resource}", f"in namespace {namespace}")
        await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", "WriteForbidden", *words))
    await api.until("SpeechPipeline", namespace, "p", ready)


async def test_a_right_to_read_that_is_missing_is_named(
    stage: Stage, api: Api, namespace: str, kubelet: Kubelet
) -> None:
    assert kubelet
    async with without(api, "list", "deployments"), Operator(stage, RESYNC_INTERVAL="1"):
        await api.create(pipeline(namespace))
        await api.until("SpeechPipeline", namespace, "p", says("Ready", "False", "may not list deployments"))
        await api.apply(await full_role(api))
        await api.until("SpeechPipeline", namespace, "p", ready)


async def full_role(api: Api) -> Object:
    """The role with the right given back."""
    role = await api.get("ClusterRole", None, "speech-operator")
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}
    return {**role, "metadata": {"name": "speech-operator"}, "rules": [*role["rules"], rule]}
