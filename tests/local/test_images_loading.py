"""Copying images into the nodes of a cluster; Docker is a double that knows what each node has."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from speechlocal.containers import docker
from speechlocal.errors import MissingError
from speechlocal.images import nodes

pytestmark = pytest.mark.unit

BRIDGE, OPERATOR = "speechpipeline/bridge:0.1.0", "speechpipeline/operator:0.1.0"


@dataclass
class Engine:
    """Images of the engine by tag, and by node the ids of those that it has; a copy makes them equal."""

    images: dict[str, str]
    nodes: dict[str, dict[str, str]]
    copies: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def docker(self, *arguments: str) -> str:
        match arguments:
            case ("ps", *_):
                return "\n".join(self.nodes)
            case ("exec", node, "ctr", "--namespace", "k8s.io", "images", "ls", wanted):
                tag = wanted.removeprefix("name==docker.io/")
                rows = ["REF TYPE DIGEST SIZE"]
                if tag in self.nodes[node]:
                    rows.append(f"docker.io/{tag} application/json manifest-of-{self.nodes[node][tag]} 1MiB")
                return "\n".join(rows)
            case ("exec", _, "ctr", "--namespace", "k8s.io", "content", "get", manifest):
                return json.dumps({"config": {"digest": manifest.removeprefix("manifest-of-")}})
        raise AssertionError(arguments)

    def copy(self, node: str, tags: list[str]) -> None:
        self.copies.append((node, tuple(tags)))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    one = Engine(images={BRIDGE: "sha256:b2", OPERATOR: "sha256:o1"}, nodes={"node": {}})
    monkeypatch.setattr(docker, "docker", one.docker)
    monkeypatch.setattr(docker, "image_id", one.images.__getitem__)
    monkeypatch.setattr(nodes, "copy", one.copy)
    return one


def load(*tags: str) -> list[str]:
    return nodes.load("speechpipeline", tags, lambda _line: None)


def test_missing_images_are_copied_in_one_archive(engine: Engine) -> None:
    assert load(BRIDGE, OPERATOR) == [BRIDGE, OPERATOR]
    assert engine.copies == [("node", (BRIDGE, OPERATOR))]


def test_present_images_are_not_copied(engine: Engine) -> None:
    engine.nodes["node"] = {BRIDGE: "sha256:b2", OPERATOR: "sha256:o1"}

    assert load(BRIDGE, OPERATOR) == []
    assert engine.copies == []


def test_an_older_image_of_the_same_tag_is_replaced(engine: Engine) -> None:
    engine.nodes["node"] = {BRIDGE: "sha256:b1", OPERATOR: "sha256:o1"}

    assert load(BRIDGE, OPERATOR) == [BRIDGE]


def test_each_node_gets_what_it_lacks(engine: Engine) -> None:
    engine.nodes = {"one": {BRIDGE: "sha256:b2"}, "two": {}}

    load(BRIDGE)

    assert engine.copies == [("two", (BRIDGE,))]


def test_an_engine_that_names_images_by_their_manifest_is_understood(engine: Engine) -> None:
    engine.images[BRIDGE] = "manifest-of-sha256:b2"
    engine.nodes["node"] = {BRIDGE: "sha256:b2"}

    assert load(BRIDGE) == []


def test_a_cluster_that_does_not_run_is_named(engine: Engine) -> None:
    engine.nodes = {}

    with pytest.raises(MissingError, match="no running kind cluster speechpipeline"):
        load(BRIDGE)


@pytest.mark.parametrize(
    ("tag", "reference"),
    [
        ("debian:bookworm", "docker.io/library/debian:bookworm"),
        (BRIDGE, f"docker.io/{BRIDGE}"),
        ("localhost/shell:1", "localhost/shell:1"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ("registry:5000/bridge:1", "registry:5000/bridge:1"),
    ],
)
def test_containerd_keeps_an_image_under_its_full_name(tag: str, reference: str) -> None:
    assert nodes.reference(tag) == reference
