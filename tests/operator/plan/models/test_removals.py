"""Which models no pipeline wants, and when they are removed."""

from datetime import timedelta
from typing import Any

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.ollama_snapshots import POD, VOLUME, has, ollama_pod, pulling
from fakes.planned_cluster import NOON, converged
from speechoperator.api import SpeechPipeline
from speechoperator.kube import objects
from speechoperator.plan.models import definitions
from speechoperator.plan.models.ollama_pods import ollama_pods
from speechoperator.plan.models.removals import GRACE_S, removals
from speechoperator.plan.snapshot import OllamaPod, Snapshot

pytestmark = pytest.mark.unit

Object = dict[str, Any]
OLD = "mistral:latest"


def unused_since(seconds: float, name: str = OLD) -> Object:
    since = objects.format_time(NOON - timedelta(seconds=seconds))
    return {"unusedModels": [{"name": name, "sizeBytes": 4, "since": since}]}


def decide(
    *changes: Object,
    present: tuple[str, ...] = ("llama3:latest", OLD),
    offers: tuple[str, ...] = (),
    pods: tuple[Object, ...] = (ollama_pod(),),
    **snapshot: Any,
) -> tuple[list[str], list[str], float | None]:
    """The unused models, those to remove, and when the next one is due."""
    ollama = SpeechPipeline.parse(pipeline(*changes)).spec.ollama
    answers = {pod["metadata"]["name"]: has(*present) for pod in pods}
    found = Snapshot(pods=pods, ollama=answers, **snapshot)
    unused, remove, due = removals(ollama, ollama_pods(found, "calls"), found, NOON, 11434, offers)
    return [model.name for model in unused], [one.model for one in remove], due


def test_a_model_that_no_pipeline_wants_is_reported_and_removed_after_a_day() -> None:
    assert decide() == ([OLD], [], GRACE_S)
    assert decide(status=unused_since(GRACE_S - 60)) == ([OLD], [], 60)
    assert decide(status=unused_since(GRACE_S)) == ([OLD], [OLD], None)


def test_how_long_a_model_is_unused_outlives_a_restart_of_the_operator() -> None:
    found = converged()
    found.stored[VOLUME].add(OLD)

    found.step()
    assert found.raw["status"]["unusedModels"] == [
        {"name": OLD, "sizeBytes": 0, "since": objects.format_time(NOON)},
    ]

    found.later(GRACE_S)
    found.run()
    assert OLD not in found.stored[VOLUME]
    assert "unusedModels" not in found.raw["status"]


@pytest.mark.parametrize(
    ("change", "removed"),
    [
        pytest.param(of_ollama(cache={"existingClaim": "shared"}), [], id="an existing PVC is kept by default"),
        pytest.param(of_ollama(cache={"existingClaim": "shared", "unusedModels": "Remove"}), [OLD], id="unless told"),
        pytest.param(of_ollama(cache={"unusedModels": "Keep"}), [], id="all is kept if the spec says so"),
        pytest.param(of_ollama(cache={"nodePath": "/models"}), [], id="a folder of the node is shared"),
        pytest.param(of_ollama(cache={"ephemeral": True}), [OLD], id="an emptyDir"),
    ],
)
def test_the_spec_decides_whether_models_are_removed(change: Object, removed: list[str]) -> None:
    assert decide(change, status=unused_since(GRACE_S)) == ([OLD], removed, None)


def test_what_a_bridge_still_offers_is_wanted() -> None:
    assert decide(offers=("mistral",), status=unused_since(GRACE_S)) == ([], [], None)


def test_the_base_of_a_derived_model_is_wanted() -> None:
    spec = of_ollama(models=[{"name": "support", "from": "mistral"}])
    mark = definitions.marker("support", {"from": "mistral"}, "digest")

    found = decide(spec, present=("support:latest", OLD, mark), status=unused_since(GRACE_S))

    assert found == ([], [], None)


def test_an_outdated_marker_is_removed_at_once() -> None:
    """It keeps nothing but the definition before."""
    spec = of_ollama(models=[{"name": "support", "from": "mistral"}])
    mark = definitions.marker("support", {"from": "mistral"}, "digest")
    outdated = f"{definitions.MARKER_NAMESPACE}0123456789abcdef:latest"

    assert decide(spec, present=("support:latest", OLD, mark, outdated))[1] == [outdated]


class TestSharedVolumes:
    def test_what_another_pipeline_wants_stays(self) -> None:
        others = {VOLUME: frozenset({OLD})}

        assert decide(wanted_by_others=others, status=unused_since(GRACE_S)) == ([], [], None)

    def test_all_stays_while_another_pipeline_cannot_be_read(self) -> None:
        assert decide(wanted_by_others={VOLUME: None}, status=unused_since(GRACE_S)) == ([], [], None)

    def test_a_marker_may_be_that_of_another_pipeline(self) -> None:
        others = {VOLUME: frozenset({"support:latest"})}
        mark = f"{definitions.MARKER_NAMESPACE}0123456789abcdef:latest"

        assert decide(present=("llama3:latest", mark), wanted_by_others=others)[1] == []

    def test_pods_with_one_volume_remove_a_model_once(self) -> None:
        pods = (ollama_pod("a"), ollama_pod("b"))

        assert decide(pods=pods, status=unused_since(GRACE_S))[1] == [OLD]


class TestNothingIsRemoved:
    def test_while_a_model_of_the_spec_is_missing(self) -> None:
        assert decide(present=(OLD,), status=unused_since(GRACE_S)) == ([OLD], [], None)

    def test_while_a_model_is_pulled(self) -> None:
        """A source that is to be renamed looks like a model that no pipeline wants."""
        pulls = {(VOLUME, "llama3"): pulling()}

        assert decide(pulls=pulls, status=unused_since(GRACE_S)) == ([OLD], [], None)

    def test_while_a_pod_is_unreachable(self) -> None:
        ollama = SpeechPipeline.parse(pipeline()).spec.ollama
        found = Snapshot(pods=(ollama_pod(),), ollama={POD: OllamaPod(reachable=False)}, status=unused_since(GRACE_S))

        unused, remove, _ = removals(ollama, ollama_pods(found, "calls"), found, NOON, 11434)

        assert ([model.name for model in unused], remove) == ([OLD], ())
