"""The CRD in a real API server: it accepts and rejects the same pipelines as the models, with the same messages."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.api import PLURALS, Api, ApiError, Object
from cluster.pipelines import EXTERNAL, RIGHT, WRONG, Wrong, of_ollama, of_whisper, pipeline
from speechoperator.api import SpeechPipeline, format_validation_error
from speechoperator.api.crd import manifest

pytestmark = pytest.mark.cluster

STRICT = {"fieldValidation": "Strict", "dryRun": "All"}


@pytest.fixture
async def trials(api: Api, crd: Object) -> "Pipelines":  # noqa: ARG001 - installed
    """An API server with the CRD, for dry runs."""
    return Pipelines(api, "default")


@pytest.fixture
async def pipelines(api: Api, crd: Object, namespace: str) -> "Pipelines":  # noqa: ARG001 - installed
    """A namespace in which pipelines are created."""
    return Pipelines(api, namespace)


class Pipelines:
    """The pipelines of one namespace; everything but `create` is a dry run."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def admitted(self, body: Object) -> Object:
        """The object as the API server would store it."""
        return await self._api.create(body, self._namespace, **STRICT)

    async def rejection(self, body: Object) -> str:
        """The message of the API server; empty if it admits the object."""
        try:
            await self.admitted(body)
        except ApiError as error:
            return error.message
        return ""

    async def create(self, body: Object) -> Object:
        return await self._api.create(body, self._namespace, fieldValidation="Strict")

    async def change(self, body: Object) -> Object:
        """Replace the existing pipeline, as a dry run."""
        live = await self._api.get("SpeechPipeline", self._namespace, body["metadata"]["name"])
        version = {"resourceVersion": live["metadata"]["resourceVersion"], "namespace": self._namespace}
        return await self._api.replace(body | {"metadata": body["metadata"] | version}, dryRun="All")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.title)
async def test_an_invalid_pipeline_is_rejected_with_the_message_of_the_models(wrong: Wrong, trials: Pipelines) -> None:
    message = await trials.rejection(pipeline(wrong.spec, name=wrong.name))

    if wrong.server:
        assert wrong.server in message
    else:
        path, _, expected = wrong.fault.partition(": ")
        assert f"{path}: Invalid value: " in message
        assert expected in message


async def test_a_valid_pipeline_is_admitted_with_the_defaults_of_the_models(trials: Pipelines) -> None:
    for title, spec in RIGHT.items():
        given = pipeline(spec)

        kept = await trials.admitted(given)

        assert SpeechPipeline.parse(kept).spec == SpeechPipeline.parse(given).spec, title


ODD_TEXTS = (
    *("", " ", "a", "A", "-a", "a-", "a.b", "a..b", "a_b", "a:b", "a/b", "/a", "a//b", "a:b:c", "a:5000/b:c", "a@b"),
    *(
        "a\n",
        "\na",
        "a\nb",
        "a\0b",
        "é",
        "\u0661",
        "\uff11",
        "a b",
        "a\\b",
        "a'b",
        "a" * 63,
        "a" * 64,
        "a." * 40 + "a",
        "a" * 254,
    ),
    *("0", "1", "-1", "+1", "1.", ".5", "1.5Gi", "1k", "1K", "1Ki", "1e3", "1E3", "1E", "1e", "1e-3", "1e999", "9Ei"),
    *("99999999999E", "0.0000000001", "0x10", "1_000", "\u0663Gi", "NaN", "Inf", "1e3Gi", "-0", "00", "1.5.5"),
    *(
        "1s",
        "0s",
        "999ms",
        "1000ms",
        "1.5s",
        "1m1s",
        "1s1m",
        "1 s",
        "s",
        "1S",
        "1d",
        "24h",
        "24h1ms",
        "0.1h",
        "-1s",
        "1us",
    ),
    *("999999h", "999999h999999h", "1.2345s", ".5h", "60m60m", "1h2h", "1h1m1s1ms1ms"),
    *(
        "http://a",
        "https://a",
        "HTTP://a",
        "http://",
        "http:///a",
        "http://a\n",
        "http://a:1",
        "http://a:0",
        "http://a:",
    ),
    *(
        "http://a:65535/",
        "http://a:65536",
        "http://[::1]",
        "http://[::1]:80/b",
        "http://[x]",
        "http://a?b",
        "http://a#b",
    ),
    *("http://a b", "http://a/b c", "http://user@a", "http://ä", "ftp://a", "//a", "http://a/\u00a0", "http://-a"),
)
FIELDS: Mapping[str, Mapping[str, Any]] = {
    "size": {"whisper": {"cache": {"size": ...}}},
    "quantity": {"bridge": {"resources": {"limits": {"cpu": ...}}}},
    "duration": {"bridge": {"requestTimeout": ...}},
    "keepAlive": {"ollama": {"keepAlive": ...}},
    "url": {"whisper": {"url": ...}},
    "host": {"bridge": {"ingress": {"host": ...}}},
    "StorageClass": {"whisper": {"cache": {"storageClassName": ...}}},
    "image": {"bridge": {"image": ...}},
    "Whisper model": {"whisper": {"model": ...}},
    "language model": {"ollama": {"models": [{"name": ...}]}},
    "GPU resource": {"whisper": {"gpu": {"resourceName": ...}, "image": "whisper:1"}},  # other vendors need an image
    "variable": {"bridge": {"env": [{"name": ...}]}},
}


def filled(shape: Any, text: str) -> Any:
    """The shape with `...` replaced by the text."""
    if isinstance(shape, Mapping):
        return {key: filled(value, text) for key, value in shape.items()}
    if isinstance(shape, list):
        return [filled(value, text) for value in shape]
    return text if shape is ... else shape


@pytest.mark.parametrize("field", FIELDS)
async def test_the_server_and_the_models_agree_on_every_string(field: str, trials: Pipelines) -> None:
    """One pattern is read by RE2 and by Python's `re`, which may differ on newlines, non-ASCII digits and lengths."""
    differing: dict[str, str] = {}
    admitted = 0
    for text in ODD_TEXTS:
        body = pipeline(filled(FIELDS[field], text))
        of_models = ""
        try:
            SpeechPipeline.parse(body)
        except ValidationError as error:
            of_models = format_validation_error(error)
        of_server = await trials.rejection(body)
        admitted += not of_server
        if bool(of_models) != bool(of_server):
            differing[text] = of_models or of_server

    assert differing == {}
    assert 0 < admitted < len(ODD_TEXTS)


IMMUTABLE = "is immutable: set existingClaim to a PVC of your own, or delete both pipeline and PVC and recreate them"
CHANGES: tuple[tuple[Object, Object, str], ...] = (
    ({}, {"storageClassName": "fast"}, f"cache.storageClassName {IMMUTABLE}"),
    ({"storageClassName": "fast"}, {"storageClassName": "slow"}, f"cache.storageClassName {IMMUTABLE}"),
    ({"storageClassName": "fast"}, {}, f"cache.storageClassName {IMMUTABLE}"),
    ({"storageClassName": ""}, {}, f"cache.storageClassName {IMMUTABLE}"),
    ({}, {"accessMode": "ReadWriteMany"}, f"cache.accessMode {IMMUTABLE}"),
    ({}, {"accessMode": "ReadWriteOnce"}, ""),
    ({"size": "2Gi"}, {"size": "3G"}, ""),
    ({"size": "500Gi"}, {"size": "50Gi"}, ""),  # the cluster may have refused it
    ({"size": "60Gi"}, {}, ""),
    ({}, {"size": "60Gi"}, ""),
    ({}, {"ephemeral": True}, f"cache.ephemeral {IMMUTABLE}"),
    ({"ephemeral": True}, {}, f"cache.ephemeral {IMMUTABLE}"),
    ({"ephemeral": True, "size": "5Gi"}, {"ephemeral": True, "size": "1Gi"}, ""),
    ({}, {"whenDeleted": "Delete"}, ""),
    ({"whenDeleted": "Delete"}, {"whenDeleted": "Retain"}, ""),
    ({}, {"existingClaim": "mine"}, ""),
    ({}, {"existingClaim": "calls-ollama"}, ""),
    ({"existingClaim": "mine"}, {"existingClaim": "other"}, ""),
    ({"existingClaim": "mine"}, {"storageClassName": "fast", "size": "1Gi"}, ""),
    ({"storageClassName": "fast"}, {"nodePath": "/var/lib/models"}, ""),
    ({"ephemeral": True}, {"nodePath": "/var/lib/models"}, ""),
    ({"nodePath": "/var/lib/models"}, {"image": "models:1"}, ""),
    ({"image": "models:1"}, {"accessMode": "ReadWriteMany"}, ""),
)


@pytest.mark.parametrize(("before", "after", "message"), CHANGES)
@pytest.mark.parametrize("component", ["whisper", "ollama"])
async def test_the_pvc_of_a_cache_is_immutable_but_for_its_size(
    component: str, before: Object, after: Object, message: str, pipelines: Pipelines
) -> None:
    await pipelines.create(pipeline({component: {"cache": before}}))

    with pytest.raises(ApiError) if message else contextlib.nullcontext() as refused:
        await pipelines.change(pipeline({component: {"cache": after}}))

    if refused:
        assert f"spec.{component}: Invalid value" in refused.value.message
        assert message in refused.value.message


async def test_a_component_may_become_external_whatever_its_cache(pipelines: Pipelines) -> None:
    await pipelines.create(pipeline(of_whisper(cache={"storageClassName": "fast"})))

    await pipelines.change(pipeline(of_whisper(url="http://asr:9000")))


async def test_the_status_of_an_invalid_object_admitted_by_an_older_crd_can_be_written(
    api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server validates the whole object on each write, but tolerates unchanged invalid fields."""
    monkeypatch.setitem(PLURALS, "OldPipeline", ("old.speechpipeline.dev/v1alpha1", "oldpipelines"))
    newer = as_another_kind(manifest())
    old = as_another_kind(without_rules(manifest()))
    wrong = pipeline(of_whisper(url="http://asr", gpu={}, cache={"size": "10XB"}), of_ollama(models=[]))
    wrong |= {"apiVersion": "old.speechpipeline.dev/v1alpha1", "kind": "OldPipeline"}
    name = old["metadata"]["name"]
    await api.apply(old)
    await api.until("CustomResourceDefinition", None, name, established)
    await api.create(wrong, namespace)

    await api.apply(newer)
    with pytest.raises(ApiError, match=EXTERNAL):
        await until_in_force(api, wrong, namespace)
    await api.patch("OldPipeline", namespace, "calls", {"status": {"modelsSummary": "0/0"}}, sub="status")

    await api.delete("CustomResourceDefinition", None, name)


async def until_in_force(api: Api, wrong: Object, namespace: str) -> None:
    """Retry until the new CRD is in force, which takes the server a moment."""
    async with asyncio.timeout(30):
        while True:
            await api.create(wrong | {"metadata": {"name": "another"}}, namespace, dryRun="All")


def as_another_kind(crd: Object) -> Object:
    """The CRD under another name, so that other tests keep theirs."""
    spec = crd["spec"]
    names = {"kind": "OldPipeline", "listKind": "OldPipelineList", "plural": "oldpipelines", "singular": "oldpipeline"}
    spec |= {"group": "old.speechpipeline.dev", "names": names}
    return crd | {"metadata": {"name": "oldpipelines.old.speechpipeline.dev"}}


def without_rules(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: without_rules(value) for key, value in schema.items() if key != "x-kubernetes-validations"}
    return [without_rules(value) for value in schema] if isinstance(schema, list) else schema


def established(crd: Object) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
