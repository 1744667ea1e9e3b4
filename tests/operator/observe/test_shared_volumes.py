"""What other pipelines want on a volume."""

from collections.abc import Sequence
from typing import Any

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.ollama_snapshots import ollama_pod
from speechoperator.api import SpeechPipeline
from speechoperator.api.labels import PIPELINE
from speechoperator.kube.objects import Key
from speechoperator.observe.shared_volumes import defined_by_others, wanted_by_others
from speechoperator.plan.models.definitions import source_marker
from speechoperator.watch.store import Store

pytestmark = pytest.mark.unit

Object = dict[str, Any]
KEY = Key("team", "calls")
SHARED = of_ollama(cache={"existingClaim": "shared"})
SPEC = SpeechPipeline.parse(pipeline(SHARED)).spec.ollama


def other(*changes: Object, name: str = "other", namespace: str = "team", **spec: Any) -> Object:
    raw = pipeline(*changes, name=name)
    raw["metadata"] |= {"namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "1"}
    raw["spec"] |= spec
    return raw


def deployment(pvc: str, pipeline: str = "other") -> Object:
    """The Deployment of another pipeline, whose pods mount this PVC."""
    volumes = [{"name": "cache", "persistentVolumeClaim": {"claimName": pvc}}]
    return {
        "kind": "Deployment",
        "metadata": {
            "name": f"{pipeline}-ollama",
            "namespace": "team",
            "uid": f"uid-{pipeline}-ollama",
            "resourceVersion": "1",
            "labels": {PIPELINE: pipeline},
        },
        "spec": {"template": {"spec": {"volumes": volumes}}},
    }


def on_node(node: str, path: str) -> Object:
    """An Ollama pod with its models in a folder of its node."""
    volume = {"name": "cache", "hostPath": {"path": path}}
    return ollama_pod() | {"spec": {"nodeName": node, "volumes": [volume]}}


def wanted(*others: Object, pvc: str = "shared", present: tuple[str, ...] = ("llama3:latest", "old:latest")) -> Any:
    """What others want, given these pipelines and Deployments."""
    store = Store()
    for raw in (other(SHARED, name="calls"), *others):
        store.observe("ADDED", raw)
    return wanted_by_others(store, KEY, SPEC, [ollama_pod(pvc=pvc)], present)


def test_models_and_bases_of_others_on_the_same_pvc_are_wanted() -> None:
    models = of_ollama(models=[{"name": "support", "from": "Phi4:14b"}])

    assert wanted(other(SHARED, models)) == {"pvc:shared": frozenset({"support:latest", "phi4:14b"})}


def test_the_wishes_of_all_others_count() -> None:
    found = wanted(other(SHARED), other(SHARED, of_ollama(models=[{"name": "phi4"}]), name="third"))

    assert found == {"pvc:shared": frozenset({"llama3:latest", "phi4:latest"})}


def test_a_pvc_that_the_operator_created_may_be_the_existing_one_of_another() -> None:
    found = wanted(other(of_ollama(cache={"existingClaim": "calls-ollama"})), pvc="calls-ollama")

    assert found == {"pvc:calls-ollama": frozenset({"llama3:latest"})}


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(other(), id="with a PVC of its own"),
        pytest.param(other(SHARED, namespace="elsewhere"), id="in another namespace"),
    ],
)
def test_others_do_not_matter(theirs: Object) -> None:
    assert wanted(theirs) == {}


@pytest.mark.parametrize("models", [None, [{"name": "llama3"}, 3]])
def test_what_an_unreadable_pipeline_wants_is_unknown(models: Any) -> None:
    theirs = other(SHARED)
    theirs["spec"]["ollama"]["models"] = models

    assert wanted(other(SHARED, name="third"), theirs) == {"pvc:shared": None}


def test_what_a_pipeline_wants_whose_pods_still_mount_the_pvc_is_unknown() -> None:
    assert wanted(other(), deployment("shared")) == {"pvc:shared": None}
    assert wanted(other(SHARED), deployment("shared")) == {"pvc:shared": frozenset({"llama3:latest"})}
    assert wanted(other(), deployment("other-ollama")) == {}


def test_only_the_volume_with_the_models_is_shared() -> None:
    pod = ollama_pod(pvc=None)
    pod["spec"]["volumes"].append({"name": "logs", "persistentVolumeClaim": {"claimName": "shared"}})
    store = Store()
    store.observe("ADDED", other(SHARED))

    assert wanted_by_others(store, KEY, SPEC, [pod], ("old:latest",)) == {}


def test_nothing_is_looked_up_while_there_is_nothing_but_what_the_spec_names() -> None:
    assert wanted(other(SHARED), present=("llama3:latest",)) == {}


def test_a_model_with_the_marker_of_its_own_source_is_nothing_else() -> None:
    assert wanted(other(SHARED), present=("llama3:latest", source_marker("llama3", "llama3"))) == {}


class TestDefinitions:
    """How other pipelines define the models of this one."""

    def defined(
        self,
        *others: Object,
        present: tuple[str, ...] = ("llama3:latest", "old:latest"),
        pods: Sequence[Object] = (ollama_pod(pvc="shared"),),
    ) -> Any:
        store = Store()
        for raw in (other(SHARED, name="calls"), *others):
            store.observe("ADDED", raw)
        found = defined_by_others(store, KEY, SPEC, pods, present)
        return {volume: [(name, model.pulled_as) for name, model in models] for volume, models in found.items()}

    def test_what_others_on_the_same_pvc_define_is_known(self) -> None:
        models = of_ollama(models=[{"name": "Llama3", "source": "b/other:v9"}, {"name": "phi4"}])

        assert self.defined(other(SHARED, models)) == {"pvc:shared": [("pipeline other", "b/other:v9")]}

    def test_those_with_the_same_folder_of_the_nodes_count_in_all_namespaces(self) -> None:
        folder = of_ollama(cache={"nodePath": "/models"})
        pods = [on_node("a", "/models"), on_node("b", "/models")]
        others = (
            other(folder),
            other(folder, namespace="elsewhere"),
            other(of_ollama(cache={"nodePath": "/cache"}), name="third"),
            other(SHARED, name="fourth"),
        )

        found = self.defined(*others, pods=pods)

        who = [("pipeline other", "llama3"), ("a pipeline of another namespace", "llama3")]
        assert found == {"node:a/models": who, "node:b/models": who}

    def test_elsewhere_it_does_not_matter(self) -> None:
        assert self.defined(other(), other(SHARED, namespace="elsewhere")) == {}

    @pytest.mark.parametrize("models", [None, [{"name": "llama3"}, 3], [{"name": "llama3", "from": 3}]])
    def test_an_unreadable_pipeline_defines_nothing(self, models: Any) -> None:
        theirs = other(SHARED)
        theirs["spec"]["ollama"]["models"] = models

        assert not any(self.defined(theirs).values())

    def test_nothing_is_looked_up_while_all_is_as_the_spec_says(self) -> None:
        assert self.defined(other(SHARED), present=("llama3:latest", source_marker("llama3", "llama3"))) == {}
