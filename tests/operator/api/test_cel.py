"""The definition in a real API server: it refuses and takes what the models do, and says it in the same words."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.api import PLURALS, Api, ApiError, Object
from cluster.pipelines import ELSEWHERE, RIGHT, WRONG, Wrong, of_ollama, of_whisper, pipeline
from speechoperator.api import SpeechPipeline, format_validation_error
from speechoperator.api.crd import manifest

pytestmark = pytest.mark.cluster

STRICT = {"fieldValidation": "Strict", "dryRun": "All"}


@pytest.fixture
async def trials(api: Api, crd: Object) -> "Pipelines":  # noqa: ARG001 - it is in force
    """An API server that knows the definition, for pipelines that are tried only."""
    return Pipelines(api, "default")


@pytest.fixture
async def pipelines(api: Api, crd: Object, namespace: str) -> "Pipelines":  # noqa: ARG001 - it is in force
    """A namespace for pipelines that are kept."""
    return Pipelines(api, namespace)


class Pipelines:
    """The pipelines of one namespace; only `create` keeps one."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def taken(self, body: Object) -> Object:
        """The object as the API server would keep it."""
        return await self._api.create(body, self._namespace, **STRICT)

    async def refusal(self, body: Object) -> str:
        """What the API server says against it; nothing where it takes it."""
        try:
            await self.taken(body)
        except ApiError as error:
            return error.message
        return ""

    async def create(self, body: Object) -> Object:
        return await self._api.create(body, self._namespace, fieldValidation="Strict")

    async def change(self, body: Object) -> Object:
        """Put it in the place of the one that is there, as a trial."""
        live = await self._api.get("SpeechPipeline", self._namespace, body["metadata"]["name"])
        version = {"resourceVersion": live["metadata"]["resourceVersion"], "namespace": self._namespace}
        return await self._api.replace(body | {"metadata": body["metadata"] | version}, dryRun="All")


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.title)
async def test_says_what_is_wrong_in_the_same_words(wrong: Wrong, trials: Pipelines) -> None:
    said = await trials.refusal(pipeline(wrong.spec, name=wrong.name))

    if wrong.server:
        assert wrong.server in said
    else:
        path, _, message = wrong.fault.partition(": ")
        assert f"{path}: Invalid value: " in said
        assert message in said


async def test_takes_what_the_models_take_and_fills_in_the_same_defaults(trials: Pipelines) -> None:
    for title, spec in RIGHT.items():
        given = pipeline(spec)

        kept = await trials.taken(given)

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
    "pattern of a size": {"whisper": {"cache": {"size": ...}}},
    "quantity": {"bridge": {"resources": {"limits": {"cpu": ...}}}},
    "duration": {"bridge": {"requestTimeout": ...}},
    "kept": {"ollama": {"keepAlive": ...}},
    "address": {"whisper": {"url": ...}},
    "host": {"bridge": {"ingress": {"host": ...}}},
    "class": {"whisper": {"cache": {"storageClassName": ...}}},
    "image": {"bridge": {"image": ...}},
    "Whisper's model": {"whisper": {"model": ...}},
    "language model": {"ollama": {"models": [{"name": ...}]}},
    "resource": {"whisper": {"gpu": {"resourceName": ...}}},
    "variable": {"bridge": {"env": [{"name": ...}]}},
}


def filled(shape: Any, text: str) -> Any:
    """The shape with the text in the place of `...`."""
    if isinstance(shape, Mapping):
        return {key: filled(value, text) for key, value in shape.items()}
    if isinstance(shape, list):
        return [filled(value, text) for value in shape]
    return text if shape is ... else shape


@pytest.mark.parametrize("field", FIELDS)
async def test_both_judge_every_text_alike(field: str, trials: Pipelines) -> None:
    """Patterns are written once, but RE2 and Python's `re` read them: newlines, digits of other scripts, lengths."""
    apart: dict[str, str] = {}
    taken = 0
    for text in ODD_TEXTS:
        body = pipeline(filled(FIELDS[field], text))
        of_models = ""
        try:
            SpeechPipeline.parse(body)
        except ValidationError as error:
            of_models = format_validation_error(error)
        of_server = await trials.refusal(body)
        taken += not of_server
        if bool(of_models) != bool(of_server):
            apart[text] = of_models or of_server

    assert apart == {}
    assert 0 < taken < len(ODD_TEXTS)


ANEW = "cannot be changed: delete the pipeline and apply it anew, or name a claim of your own as existingClaim"
SHRINKS = "cache.size can grow, but a claim cannot shrink"
CHANGES: tuple[tuple[Object, Object, str], ...] = (
    ({}, {"storageClassName": "fast"}, f"cache.storageClassName {ANEW}"),
    ({"storageClassName": "fast"}, {"storageClassName": "slow"}, f"cache.storageClassName {ANEW}"),
    ({"storageClassName": "fast"}, {}, f"cache.storageClassName {ANEW}"),
    ({"storageClassName": ""}, {}, f"cache.storageClassName {ANEW}"),
    ({}, {"accessMode": "ReadWriteMany"}, f"cache.accessMode {ANEW}"),
    ({}, {"accessMode": "ReadWriteOnce"}, ""),
    ({"size": "2Gi"}, {"size": "2047Mi"}, SHRINKS),
    ({"size": "2Gi"}, {"size": "2048Mi"}, ""),
    ({"size": "2Gi"}, {"size": "3G"}, ""),
    ({"size": "60Gi"}, {}, SHRINKS),
    ({}, {"size": "60Gi"}, ""),
    ({}, {"ephemeral": True}, f"cache.ephemeral {ANEW}"),
    ({"ephemeral": True}, {}, f"cache.ephemeral {ANEW}"),
    ({"ephemeral": True, "size": "5Gi"}, {"ephemeral": True, "size": "1Gi"}, ""),
    ({}, {"whenDeleted": "Retain"}, ""),
    ({}, {"existingClaim": "mine"}, ""),
    ({"existingClaim": "mine"}, {"existingClaim": "other"}, ""),
    ({"existingClaim": "mine"}, {"storageClassName": "fast", "size": "1Gi"}, ""),
)


@pytest.mark.parametrize(("before", "after", "message"), CHANGES)
@pytest.mark.parametrize("part", ["whisper", "ollama"])
async def test_a_claim_stays_what_it_is(
    part: str, before: Object, after: Object, message: str, pipelines: Pipelines
) -> None:
    await pipelines.create(pipeline({part: {"cache": before}}))

    with pytest.raises(ApiError) if message else contextlib.nullcontext() as refused:
        await pipelines.change(pipeline({part: {"cache": after}}))

    if refused:
        assert f"spec.{part}: Invalid value" in refused.value.message
        assert message in refused.value.message


async def test_a_part_that_moves_elsewhere_leaves_its_claim(pipelines: Pipelines) -> None:
    await pipelines.create(pipeline(of_whisper(cache={"storageClassName": "fast"})))

    await pipelines.change(pipeline(of_whisper(url="http://asr:9000")))


async def test_the_cache_counts_also_where_it_is_left_out(pipelines: Pipelines) -> None:
    await pipelines.create(pipeline(of_ollama(cache={"size": "60Gi"})))

    with pytest.raises(ApiError, match=SHRINKS):
        await pipelines.change(pipeline())


async def test_what_an_older_definition_let_through_can_be_told_in_the_status(
    api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server then checks the whole object again, but no longer what has not changed."""
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
    with pytest.raises(ApiError, match=ELSEWHERE):
        await until_in_force(api, wrong, namespace)
    await api.patch("OldPipeline", namespace, "calls", {"status": {"modelsSummary": "0/0"}}, sub="status")

    await api.delete("CustomResourceDefinition", None, name)


async def until_in_force(api: Api, wrong: Object, namespace: str) -> None:
    """Ask until the new definition judges; the server takes a moment to use it."""
    async with asyncio.timeout(30):
        while True:
            await api.create(wrong | {"metadata": {"name": "another"}}, namespace, dryRun="All")


def as_another_kind(definition: Object) -> Object:
    """The same under another name, so that the definition of the other tests stays."""
    spec = definition["spec"]
    names = {"kind": "OldPipeline", "listKind": "OldPipelineList", "plural": "oldpipelines", "singular": "oldpipeline"}
    spec |= {"group": "old.speechpipeline.dev", "names": names}
    return definition | {"metadata": {"name": "oldpipelines.old.speechpipeline.dev"}}


def without_rules(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: without_rules(value) for key, value in schema.items() if key != "x-kubernetes-validations"}
    return [without_rules(value) for value in schema] if isinstance(schema, list) else schema


def established(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
