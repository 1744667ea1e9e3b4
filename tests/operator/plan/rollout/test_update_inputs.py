"""Which fields of the spec change which pods: only those make a change of the user's out of a difference in the pods.

A field that changes pods and does not count would be taken for a new release of the operator, and held; one that counts
and changes no pods would bring a held update with it.
"""

from typing import Any

import pytest

from cluster.pipelines import pipeline
from speechoperator.api import Bridge, Model, Ollama, SpeechPipeline, Whisper
from speechoperator.api.names import INPUTS_HASH, TEMPLATE_HASH
from speechoperator.api.pipeline import Spec
from speechoperator.plan.decisions import from_spec
from speechoperator.plan.desired import desired
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

Object = dict[str, Any]

KEY = {"secretName": "key"}
ROOTS = {"configMapName": "roots"}
SERVICE = {"url": "https://service.example.com"}
COMMON: Object = {
    "image": "other:1",
    "resources": {"requests": {"cpu": "3"}},
    "env": [{"name": "A", "value": "b"}],
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "runtimeClassName": "nvidia",
    "priorityClassName": "high",
    "podAnnotations": {"a": "b"},
    "imagePullSecrets": [{"name": "registry"}],
    "podTemplate": {"spec": {"hostNetwork": True}},
    "serviceAccountAnnotations": {"a": "b"},
    "drainTimeout": "2m",
}
SERVING: Object = {**COMMON, "gpu": {"count": 1}, "cache": {"size": "70Gi"}, "scaling": {"minReplicas": 0}, **SERVICE}
CHANGES: dict[str, Object] = {
    "": {
        "class": "blue",
        "suspend": True,
        "upgradePolicy": "Manual",
        "scaling": {"mode": "Advisory"},
        "networkPolicy": {"enabled": False},
        "verification": {"interval": "30m"},
        "inheritedMetadata": {"labels": {"team": "speech"}},
    },
    "whisper": {**SERVING, "engine": "asr-webservice", "model": "medium"},
    "ollama": {
        **SERVING,
        "models": [{"name": "mistral"}, {"name": "llama3", "options": {"top_k": 5}}],
        "contextLength": 4096,
        "keepAlive": "30m",
        "parallel": 8,
    },
    "bridge": {
        **COMMON,
        "replicas": 5,
        "scaling": {"minReplicas": 2, "maxReplicas": 5},
        "maxConcurrentRequests": 9,
        "requestTimeout": "10m",
        "holdTimeout": "200s",
        "service": {"type": "NodePort"},
        "ingress": {"host": "a.example"},
        "gateway": {"host": "a.example", "parentRef": {"name": "gate"}},
        "apiKeys": {"secretName": "keys"},
    },
}
"""A value of each field by the part of the spec, "" for the spec itself. Those about a service are in `BEYOND`."""

BEYOND = [
    ("whisper", SERVICE, {"auth": KEY}),
    ("whisper", SERVICE, {"ca": ROOTS}),
    ("whisper", SERVICE, {"model": "medium"}),
    ("ollama", SERVICE, {"auth": KEY}),
    ("ollama", SERVICE, {"ca": ROOTS}),
    ("ollama", SERVICE, {"protocol": "openai"}),
    ("whisper", {}, {"cache": {"ephemeral": True}}),
    ("whisper", {"cache": {"ephemeral": True}}, {"cache": {"ephemeral": True, "size": "9Gi"}}),
    ("whisper", {}, {"cache": {"existingClaim": "mine"}}),
    ("whisper", {}, {"cache": {"whenDeleted": "Delete"}}),
    ("ollama", {}, {"cache": {"nodePath": "/models"}}),
    ("ollama", {}, {"cache": {"image": "models:1"}}),
    ("ollama", {}, {"scaling": {"maxReplicas": 3}}),
    ("ollama", {"scaling": {"maxReplicas": 3}}, {"scaling": {"maxReplicas": 4}}),
    ("ollama", {}, {"scaling": {"targetInFlight": 3}}),
    ("bridge", {"scaling": {"maxReplicas": 5}}, {"scaling": {"maxReplicas": 6}}),
    ("bridge", {"image": "other:1"}, {"apiKeys": {"secretName": "keys"}}),
]
"""Changes of a part of the spec that has further members before and after."""


def spec_of(part: str, *members: Object) -> Object:
    """The spec of a small pipeline with these members in a part of it."""
    spec: Object = pipeline()["spec"]
    for one in members:
        spec = {**spec, part: {**spec.get(part, {}), **one}} if part else {**spec, **one}
    return spec


def deployments(spec: Object) -> dict[str, Object]:
    """The Deployments of a pipeline by name, without the replicas that the scaler writes."""
    found = SpeechPipeline.parse({**pipeline(), "spec": spec})
    settings = Settings()
    manifests = desired(found, settings, from_spec(found, settings), None).manifests
    return {one["metadata"]["name"]: dict(one) for one in manifests if one["kind"] == "Deployment"}


def note(deployment: Object, name: str) -> str:
    text: str = deployment["metadata"]["annotations"][name]
    return text


def differ(before: Object, after: Object) -> bool:
    """Whether a Deployment has to be written for its pods; one that is at zero, before or after, is never held."""
    numbers = {one["spec"].get("replicas", 1) for one in (before, after)}
    return note(before, TEMPLATE_HASH) != note(after, TEMPLATE_HASH) or (len(numbers) > 1 and 0 not in numbers)


@pytest.mark.parametrize(
    ("part", "given", "change"),
    [
        *(
            pytest.param(part, {}, {field: value}, id=f"{part}.{field}")
            for part, fields in CHANGES.items()
            for field, value in fields.items()
        ),
        *BEYOND,
    ],
)
def test_a_field_counts_for_the_pods_that_it_changes(part: str, given: Object, change: Object) -> None:
    before, after = deployments(spec_of(part, given)), deployments(spec_of(part, given, change))

    common = before.keys() & after.keys()
    counts = {name for name in common if note(before[name], INPUTS_HASH) != note(after[name], INPUTS_HASH)}

    assert counts == {name for name in common if differ(before[name], after[name])}


@pytest.mark.parametrize(("part", "model"), [("", Spec), ("whisper", Whisper), ("ollama", Ollama), ("bridge", Bridge)])
def test_the_table_has_every_field(part: str, model: type[Model]) -> None:
    fields = {field.alias or name for name, field in model.model_fields.items()}
    components = {"whisper", "ollama", "bridge"} if not part else set()

    tried = CHANGES[part].keys() | {field for one, _, change in BEYOND if one == part for field in change}

    assert tried == fields - components
