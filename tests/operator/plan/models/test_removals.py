"""Which models no pipeline wants, and when they are removed."""

from datetime import timedelta
from typing import Any

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.ollama_snapshots import POD, VOLUME, failed, has, ollama_pod, pulling
from fakes.planned_cluster import NOON, converged
from speechoperator.api import SpeechPipeline
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.models import definitions
from speechoperator.plan.models.ollama_pods import ollama_pods
from speechoperator.plan.models.removals import GRACE_S, removals
from speechoperator.plan.snapshot import OllamaPod, Snapshot

pytestmark = pytest.mark.unit

Object = dict[str, Any]
OLD = "mistral:latest"
REMOVE = of_ollama(cache={"unusedModels": "Remove"})
CREATED: dict[Ref, Object] = {Ref("PersistentVolumeClaim", "calls-ollama"): {}}


def unused_since(seconds: float, name: str = OLD) -> Object:
    since = objects.format_time(NOON - timedelta(seconds=seconds))
    return {"unusedModels": [{"name": name, "sizeBytes": 4, "since": since}]}


def caching(volume: Object) -> Object:
    """An Ollama pod with its models on this volume."""
    return ollama_pod() | {"spec": {"volumes": [{"name": "cache", **volume}], "nodeName": "node-1"}}


def decide(
    *changes: Object,
    present: tuple[str, ...] = ("llama3:latest", OLD),
    offers: tuple[str, ...] = (),
    pods: tuple[Object, ...] = (ollama_pod(),),
    **snapshot: Any,
) -> tuple[list[str], list[str], float | None]:
    """The unused models, those to remove, and when the next one is due; what is unused is to be removed."""
    wanted = SpeechPipeline.parse(pipeline(REMOVE, *changes))
    answers = {pod["metadata"]["name"]: has(*present) for pod in pods}
    found = Snapshot(**{"pods": pods, "ollama": answers, "objects": CREATED, **snapshot})
    unused, remove, due = removals(wanted, ollama_pods(found, wanted), found, NOON, 11434, offers)
    return [model.name for model in unused], [one.model for one in remove], due


def test_a_model_that_no_pipeline_wants_is_reported_and_removed_after_a_day() -> None:
    assert decide() == ([OLD], [], GRACE_S)
    assert decide(status=unused_since(GRACE_S - 60)) == ([OLD], [], 60)
    assert decide(status=unused_since(GRACE_S)) == ([OLD], [OLD], None)


def test_how_long_a_model_is_unused_outlives_a_restart_of_the_operator() -> None:
    found = converged(REMOVE)
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
    ("cache", "volume"),
    [
        ({}, {"persistentVolumeClaim": {"claimName": "calls-ollama"}}),
        ({"existingClaim": "shared"}, {"persistentVolumeClaim": {"claimName": "shared"}}),
        ({"ephemeral": True}, {"emptyDir": {}}),
        ({"nodePath": "/models"}, {"hostPath": {"path": "/models"}}),
    ],
)
def test_all_is_kept_and_reported_unless_the_spec_says_otherwise(cache: Object, volume: Object) -> None:
    pods = (caching(volume),)

    kept = {**cache, "unusedModels": None} if cache else {"unusedModels": "Keep"}
    assert decide(of_ollama(cache=kept), pods=pods, status=unused_since(GRACE_S)) == ([OLD], [], None)
    if "nodePath" not in cache:
        removed = decide(of_ollama(cache=cache), pods=pods, status=unused_since(GRACE_S))
        assert removed == ([OLD], [OLD], None)


@pytest.mark.parametrize("cache", [{}, {"existingClaim": "shared"}])
@pytest.mark.parametrize(
    "volume",
    [
        {"nfs": {"server": "nas", "path": "/models"}},
        {"hostPath": {"path": "/models"}},
        {"persistentVolumeClaim": {"claimName": "models-of-the-team"}},
        {"ephemeral": {"volumeClaimTemplate": {}}},
    ],
)
def test_nothing_is_removed_from_a_volume_that_the_pod_template_puts_in_place(cache: Object, volume: Object) -> None:
    found = decide(of_ollama(cache=cache), pods=(caching(volume),), status=unused_since(GRACE_S))

    assert found == ([OLD], [], None)


def test_nothing_is_removed_from_a_pvc_of_its_name_that_the_operator_did_not_create() -> None:
    assert decide(objects={}, status=unused_since(GRACE_S)) == ([OLD], [], None)


def test_the_cache_counts_and_not_another_volume_of_the_pod() -> None:
    pod = caching({"nfs": {"server": "nas", "path": "/models"}})
    pod["spec"]["volumes"].insert(0, {"name": "logs", "persistentVolumeClaim": {"claimName": "calls-ollama"}})

    assert decide(pods=(pod,), status=unused_since(GRACE_S)) == ([OLD], [], None)


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


class TestLeftovers:
    """Names of the operator's own that only keep weights go at once, whatever happens to unused models."""

    NEW: dict[str, str] = {"llama3:latest": "new"}  # noqa: RUF012 - never written
    REPLACED = definitions.replaced("llama3", "old")
    OUTDATED = definitions.marker("support", {"from": "mistral"}, "base before")
    SOURCE = definitions.source_marker("llama3", "a/llama3:v1")

    def found(self, models: dict[str, str], *changes: Object, pod: Object | None = None, **more: Any) -> Any:
        pod = pod or ollama_pod()
        answers = {POD: OllamaPod(reachable=True, models=models)}
        return decide(of_ollama(cache={"unusedModels": "Keep"}), *changes, pods=(pod,), ollama=answers, **more)

    @pytest.mark.parametrize("name", [REPLACED, OUTDATED, SOURCE])
    @pytest.mark.parametrize(
        "volume",
        [{"persistentVolumeClaim": {"claimName": "calls-ollama"}}, {"nfs": {"server": "nas", "path": "/models"}}],
    )
    def test_they_are_removed(self, name: str, volume: Object) -> None:
        assert self.found(self.NEW | {name: "old"}, pod=caching(volume)) == ([], [name], None)

    def test_with_other_pipelines_on_the_volume_too(self) -> None:
        models = self.NEW | {self.REPLACED: "old", self.OUTDATED: "old", self.SOURCE: "old"}
        others = {VOLUME: frozenset({"support:latest", "llama3:latest"})}

        assert set(self.found(models, wanted_by_others=others)[1]) == {self.REPLACED, self.OUTDATED, self.SOURCE}

    def test_although_a_model_is_missing_or_failed_to_be_pulled(self) -> None:
        models = {self.REPLACED: "old"}

        assert self.found(models, pulls={(VOLUME, "llama3"): failed()})[1] == [self.REPLACED]

    def test_but_not_while_a_model_is_pulled(self) -> None:
        """The replaced model goes only once the new one is there: its deletion frees the weights."""
        models = self.NEW | {self.REPLACED: "new"}

        assert self.found(models, pulls={(VOLUME, "llama3"): pulling()})[1] == []

    def test_only_if_they_are_still_leftovers_when_it_is_their_turn(self) -> None:
        models = OllamaPod(reachable=True, models=self.NEW | {self.SOURCE: "old"})
        wanted, found = SpeechPipeline.parse(pipeline()), Snapshot(pods=(ollama_pod(),), ollama={POD: models})

        _, (removal,), _ = removals(wanted, ollama_pods(found, wanted), found, NOON, 11434)

        assert (removal.model, removal.leftover) == (self.SOURCE, True)

    def test_a_marker_of_a_model_that_is_there_stays(self) -> None:
        support = {"support:latest": "made", self.OUTDATED: "made"}
        others = {VOLUME: frozenset({"support:latest"})}

        assert self.found(self.NEW | {self.SOURCE: "new"} | support, wanted_by_others=others) == ([], [], None)


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
        answers = {POD: OllamaPod(reachable=False)}

        assert decide(ollama=answers, status=unused_since(GRACE_S)) == ([OLD], [], None)

    @pytest.mark.parametrize("more", [{"offers": ("mistral",)}, {"wanted_by_others": {VOLUME: frozenset({OLD})}}])
    def test_and_what_is_wanted_again_meanwhile_has_its_grace_time_anew(self, more: Object) -> None:
        pulls = {(VOLUME, "llama3"): pulling()}

        assert decide(pulls=pulls, status=unused_since(GRACE_S), **more) == ([], [], None)

    def test_and_a_model_of_the_spec_that_is_missing_is_not_unused(self) -> None:
        wanted = of_ollama(models=[{"name": "llama3"}, {"name": "mistral"}])

        assert decide(wanted, present=("llama3:latest",), status=unused_since(GRACE_S)) == ([], [], None)
