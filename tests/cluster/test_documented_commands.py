"""Commands and manifests of the documentation on a real API server, with an operator and a stand-in for the kubelet."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.api import Api
from cluster.expected import pipeline, ready
from cluster.kubelet import Kubelet
from cluster.operator_process import Operator, Stage
from documentation import Block, blocks
from documented_commands import Reader, by_page, kubeconfig, type_all
from fakes.ollama_pod import Registry
from speechlocal import paths

pytestmark = pytest.mark.cluster

EXAMPLE: dict[str, Any] = yaml.safe_load(paths.EXAMPLE.read_text(encoding="utf-8"))
SOURCE = EXAMPLE["spec"]["ollama"]["models"][0]["source"]
MODELS = ("llama3", SOURCE, f"{SOURCE}-instruct-q4_1")
"""What can be pulled: the registry of `make cluster` has two names of one model."""

API_SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "kubernetes"},
    "spec": {"ports": [{"port": 443}]},
}
"""Readers work in the namespace `default`, which has it."""

PAGES = by_page("cluster")
BACKUP = "docs/how-to/back-up-and-restore.md"
CHART = "docs/how-to/install-on-kubernetes.md"
"""Run in tests/charts: its reader has a cluster without the chart."""


@dataclass(frozen=True)
class Scene:
    """What a page takes for granted: a pipeline, whether it is ready, and variables; and what its commands print."""

    pipeline: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    starting: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    printed: Iterable[str] = ()


NAMED: dict[str, Any] = {
    "whisper": {
        "imagePullSecrets": [{"name": "pull-secret"}],
        "env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "env-secret", "key": "k", "optional": True}}},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "env-map", "key": "k", "optional": True}}},
        ],
        "podTemplate": {
            "spec": {
                "volumes": [
                    {"name": "a", "secret": {"secretName": "volume-secret", "optional": True}},
                    {
                        "name": "b",
                        "configMap": {"name": "volume-map", "optional": True, "items": [{"key": "k", "path": "k"}]},
                    },
                    {"name": "c", "projected": {"sources": [{"secret": {"name": "projected-secret"}}]}},
                ]
            }
        },
    },
    "ollama": {
        "url": "https://llm.example.com",
        "auth": {"secretName": "auth-secret"},
        "ca": {"configMapName": "ca-map"},
        "models": [{"name": "llama3"}],
    },
    "bridge": {
        "apiKeys": {"secretName": "keys-secret"},
        "ingress": {"host": "speech.example.com", "tlsSecretName": "tls-secret"},
    },
}
"""Each way in which a spec names Secrets and ConfigMaps."""
NAMES = (
    *("pull-secret", "env-secret", "env-map", "volume-secret", "volume-map", "projected-secret"),
    *("auth-secret", "ca-map", "keys-secret", "tls-secret"),
)

SCENES = {
    BACKUP: Scene("calls", NAMED, starting=True, printed=NAMES),
    "docs/how-to/require-api-keys.md": Scene("calls"),
    "docs/how-to/upgrade.md": Scene("calls"),
    "docs/tutorials/first-answer-on-a-cluster.md": Scene("speech", EXAMPLE["spec"]),
    "docs/how-to/manage-models.md": Scene("support-calls", starting=True),
    "docs/how-to/scale-a-pipeline.md": Scene("calls"),
    "docs/how-to/use-gpus.md": Scene("support-calls"),
    "docs/how-to/use-vllm-or-llama-cpp.md": Scene("support-calls", variables={"KEY": "secret"}),
    "docs/how-to/use-with-argo-cd-and-flux.md": Scene("speech"),
}


def test_every_page_with_commands_has_a_scene() -> None:
    assert set(SCENES) == set(PAGES) - {CHART}


@pytest.mark.parametrize("page", SCENES)
async def test_the_commands_of_a_page_work(
    page: str,
    operator: Operator,
    stage: Stage,
    api: Api,
    namespace: str,
    tmp_path: Path,
    subtests: pytest.Subtests,
) -> None:
    assert operator
    scene = SCENES[page]
    reader = Reader(
        tmp_path,
        ["kubectl"],
        replaced={"-n speech ": "", "get sp -A": "get sp"},
        variables={
            "KUBECONFIG": kubeconfig(tmp_path, stage.plane.kubeconfig(), namespace),
            **scene.variables,
        },
    )
    async with Kubelet(api, namespace, Registry(MODELS), stage.ollama_port):
        await api.create(API_SERVICE, namespace)
        await api.create(pipeline(namespace, scene.pipeline, **scene.spec))
        if not scene.starting:
            await api.until("SpeechPipeline", namespace, scene.pipeline, ready)

        printed = await type_all(reader, PAGES[page], subtests)

    assert [one for one in scene.printed if one not in printed] == []


async def test_a_backup_is_restored(
    operator: Operator, stage: Stage, api: Api, namespace: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert operator
    save, *_ = PAGES[BACKUP]
    (restore,) = blocks(test=request.node.name)
    config = kubeconfig(tmp_path, stage.plane.kubeconfig(), namespace)
    reader = Reader(tmp_path, ["kubectl"], replaced={"get sp -A": "get sp"}, variables={"KUBECONFIG": config})
    saved = await api.create(pipeline(namespace, "calls"))

    await asyncio.to_thread(reader.types, save)
    await api.delete("SpeechPipeline", namespace, "calls")
    await api.until_gone("SpeechPipeline", namespace, "calls")
    await asyncio.to_thread(reader.types, restore)

    restored = await api.get("SpeechPipeline", namespace, "calls")
    assert restored["metadata"]["uid"] != saved["metadata"]["uid"]
    assert restored["spec"] == saved["spec"]


@pytest.mark.parametrize(
    "block", [one for one in blocks(tier="cluster") if one.language == "yaml"], ids=lambda block: block.place
)
async def test_the_api_server_admits_an_object(block: Block, api: Api, namespace: str) -> None:
    body = yaml.safe_load(block.text)
    body["metadata"]["namespace"] = namespace

    await api.create(body, dryRun="All", fieldValidation="Strict")
