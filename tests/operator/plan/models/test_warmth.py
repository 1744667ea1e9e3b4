"""Which pods load their models, and with what."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.ollama_snapshots import POD, decide, has, ollama_pod
from fakes.planned_cluster import NOON, PlannedCluster, condition, converged
from speechoperator.api import SpeechPipeline
from speechoperator.kube.objects import Ref
from speechoperator.plan.actions import StartWarmUp
from speechoperator.plan.manifests.bridge_config import environment
from speechoperator.plan.models.ollama_pods import ollama_pods
from speechoperator.plan.models.warmth import Warmth, plan_warmth
from speechoperator.plan.snapshot import Memory, OllamaPod, Snapshot, WarmUp

pytestmark = pytest.mark.unit

Object = dict[str, Any]
TWO: Object = of_ollama(models=[{"name": "llama3"}, {"name": "mistral"}])


def warmth(
    *changes: Object,
    pods: tuple[Object, ...] = (ollama_pod(),),
    answers: Mapping[str, OllamaPod] | None = None,
    **snapshot: Any,
) -> Warmth:
    """The decision about pods that have llama3 and mistral."""
    wanted = SpeechPipeline.parse(pipeline(*changes))
    present = {pod["metadata"]["name"]: has("llama3:latest", "mistral:latest") for pod in pods}
    found = Snapshot(pods=pods, ollama=present if answers is None else answers, **snapshot)
    variables = environment(wanted, wanted.spec.ollama.model_names)
    return plan_warmth("calls", variables, ollama_pods(found, wanted), found, NOON, 11434)


def started(*changes: Object, **snapshot: Any) -> StartWarmUp:
    (start,) = warmth(*changes, **snapshot).start
    return start


def reported(key: str) -> Object:
    """A status that says that the pod is warm."""
    return {"ollama": {"warmPods": {POD: key}}}


def listed(*models: Object) -> Object:
    """The list of models that bridges read."""
    return {"data": {"models.json": json.dumps({"models": models})}}


READS_LIST = {"name": "MODELS_FILE", "value": "/etc/speechpipeline/models/models.json"}


def bridge(updated: int, env: Sequence[Object] = (READS_LIST,)) -> Object:
    """The Deployment of two bridges, so many of which have the current environment."""
    return {
        "metadata": {"name": "calls-bridge", "generation": 2},
        "spec": {"template": {"spec": {"containers": [{"name": "bridge", "env": list(env)}]}}},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": updated},
    }


class TestLoads:
    def test_the_default_is_loaded_last_so_that_it_stays_if_not_all_fit(self) -> None:
        assert [name for name, _ in started(TWO).loads] == ["mistral", "llama3"]

    def test_models_are_loaded_with_what_requests_carry(self) -> None:
        spec = of_ollama(
            contextLength=8192,
            keepAlive="30m",
            models=[{"name": "llama3", "options": {"num_ctx": 2048, "top_p": 0.5}, "keepAlive": "-1"}],
        )

        assert started(spec).loads == (("llama3", {"options": {"num_ctx": 2048, "top_p": 0.5}, "keep_alive": -1}),)
        assert started(of_ollama(contextLength=8192)).loads == (("llama3", {"options": {"num_ctx": 8192}}),)
        assert started().loads == (("llama3", {}),)

    def test_what_existing_bridges_send_counts_and_not_what_the_spec_says(self) -> None:
        """They keep their old environment until a new model is present, or a new address responds."""
        old = {"data": {"MODELS": "llama3", "CONTEXT_LENGTH": "4096"}}

        start = started(TWO, of_ollama(contextLength=8192), objects={Ref("ConfigMap", "calls-bridge"): old})

        assert start.loads == (("llama3", {"options": {"num_ctx": 4096}}),)

    def test_existing_bridges_have_their_models_from_the_list_that_they_read(self) -> None:
        """The environment has them too, but is not written while an update of the bridge is held."""
        objects = {
            Ref("ConfigMap", "calls-bridge"): {"data": {"MODELS": "llama3", "CONTEXT_LENGTH": "4096"}},
            Ref("ConfigMap", "calls-bridge-models"): listed({"name": "mistral", "options": {"top_p": 0.5}}),
            Ref("Deployment", "calls-bridge"): bridge(2),
        }

        assert started(objects=objects).loads == (("mistral", {"options": {"num_ctx": 4096, "top_p": 0.5}}),)

    def test_bridges_of_a_release_without_the_list_have_them_from_the_environment(self) -> None:
        objects = {
            Ref("ConfigMap", "calls-bridge"): {"data": {"MODELS": "llama3"}},
            Ref("ConfigMap", "calls-bridge-models"): listed({"name": "mistral"}),
            Ref("Deployment", "calls-bridge"): bridge(2, env=[]),
        }

        assert started(objects=objects).loads == (("llama3", {}),)

    @pytest.mark.parametrize("text", ["", "{oops", "[]", '{"models": 3}', '{"models": [{"name": "m", "options": 3}]}'])
    def test_a_list_that_was_edited_beyond_recognition_is_none(self, text: str) -> None:
        objects = {
            Ref("ConfigMap", "calls-bridge-models"): {"data": {"models.json": text}},
            Ref("Deployment", "calls-bridge"): bridge(2),
        }

        assert started(objects=objects).loads == (("llama3", {}),)


class TestStart:
    def test_a_pod_that_has_its_models_loads_them(self) -> None:
        found = warmth()

        assert [(start.pod, start.address) for start in found.start] == [(POD, "http://10.0.0.7:11434")]
        assert found.cold == (POD,)

    def test_a_pod_that_lacks_a_model_loads_none(self) -> None:
        found = warmth(TWO, answers={POD: has("llama3:latest")})

        assert (found.start, found.cold) == ((), ())

    def test_a_warm_pod_does_not_load_again_after_a_restart_of_the_operator(self) -> None:
        key = started().key

        found = warmth(status=reported(key))

        assert (found.start, found.warm) == ((), {POD: key})

    def test_a_warm_up_that_has_ended_makes_a_pod_warm(self) -> None:
        key = started().key

        found = warmth(warm_ups={POD: WarmUp(POD, key, "Loaded")})

        assert (found.start, found.warm, found.cold) == ((), {POD: key}, ())

    def test_a_container_that_was_restarted_loads_again(self) -> None:
        key = started().key
        pod = ollama_pod()
        pod["status"]["containerStatuses"][0]["restartCount"] = 1

        assert warmth(pods=(pod,), status=reported(key)).cold == (POD,)

    def test_a_container_that_was_killed_for_memory_does_not_load_again(self) -> None:
        """Loading all models at once may be what killed it: requests load those that they need."""
        pod = ollama_pod()
        pod["status"]["containerStatuses"][0] |= {
            "restartCount": 1,
            "lastState": {"terminated": {"reason": "OOMKilled"}},
        }

        assert not warmth(pods=(pod,)).start

    def test_a_model_that_was_pulled_again_is_loaded_again(self) -> None:
        key = started().key
        newer = OllamaPod(reachable=True, models={"llama3:latest": "newer"})

        assert warmth(answers={POD: newer}, status=reported(key)).cold == (POD,)

    @pytest.mark.parametrize(("updated", "cold"), [(1, ()), (2, (POD,))])
    def test_new_options_are_loaded_once_all_bridges_send_them(self, updated: int, cold: tuple[str, ...]) -> None:
        """Old and new bridges would make each other's requests load the model again."""
        key = started().key
        objects = {Ref("Deployment", "calls-bridge"): bridge(updated)}

        assert warmth(of_ollama(contextLength=8192), status=reported(key), objects=objects).cold == cold

    def test_an_unreachable_pod_stays_as_warm_as_it_was(self) -> None:
        away = {POD: OllamaPod(reachable=False, detail="timeout")}
        objects = {Ref("ConfigMap", "calls-ollama"): {"data": {"models": "llama3:latest\n"}}}

        assert warmth(answers=away, status=reported("0-abc"), objects=objects).warm == {POD: "0-abc"}

    def test_a_pod_that_has_not_been_queried_yet_is_not_warm(self) -> None:
        """One whose models are on its volume is ready before the operator has asked it."""
        objects = {Ref("ConfigMap", "calls-ollama"): {"data": {"models": "llama3:latest\n"}}}

        found = warmth(answers={}, objects=objects)

        assert (found.start, found.cold) == ((), (POD,))

    def test_a_failed_warm_up_is_retried_in_time(self) -> None:
        key = started().key
        failed = WarmUp(POD, key, "Failed", "llama3", error="too big", attempts=1, retry_at=NOON + timedelta(seconds=5))

        waits = warmth(warm_ups={POD: failed})
        due = warmth(warm_ups={POD: replace(failed, retry_at=NOON)})

        assert (waits.start, waits.requeue_after, waits.failed) == ((), 5, failed)
        assert [start.pod for start in due.start] == [POD]


class TestAPodThatDoesNotRespondWhileItLoads:
    """One failed poll: an Ollama that reads a model from a slow disk may answer late."""

    UNREACHABLE: Mapping[str, OllamaPod] = {POD: OllamaPod(reachable=False)}

    def test_its_warm_up_goes_on_and_it_stays_cold(self) -> None:
        key = started().key

        found = warmth(answers=self.UNREACHABLE, warm_ups={POD: WarmUp(POD, key, "Loading")}, status=reported(key))

        assert found.cold == (POD,)
        assert not found.warm
        assert [(one.pod, one.key, one.continued) for one in found.start] == [(POD, key, True)]

    def test_that_of_an_earlier_container_is_over(self) -> None:
        pod = ollama_pod()
        pod["status"]["containerStatuses"][0]["restartCount"] = 1
        loading = {POD: WarmUp(POD, started().key, "Loading")}

        assert warmth(pods=(pod,), answers=self.UNREACHABLE, warm_ups=loading).start == ()

    def test_one_that_has_failed_is_not_continued(self) -> None:
        failed = {POD: WarmUp(POD, started().key, "Failed")}

        assert warmth(answers=self.UNREACHABLE, warm_ups=failed).start == ()


class TestMemory:
    def test_it_is_what_was_seen_last(self) -> None:
        loaded = {"llama3:latest": Memory(5, 3)}
        answers = {POD: replace(has("llama3:latest"), loaded=loaded)}

        assert warmth(answers=answers).memory == loaded

    def test_it_is_remembered_once_the_model_is_unloaded(self) -> None:
        status = {"models": [{"name": "llama3", "memoryBytes": 5, "gpuBytes": 3, "swapped": True}]}

        found = warmth(status=status)

        assert found.memory == {"llama3:latest": Memory(5, 3)}
        assert found.evicted == {"llama3:latest"}

    @pytest.mark.parametrize("status", [{"models": 3}, {"models": [3, {}]}, {"ollama": 3}, {"ollama": {"warmPods": 3}}])
    def test_a_malformed_status_is_ignored(self, status: Object) -> None:
        assert warmth(status=status).cold == (POD,)


GPU: Object = of_ollama(gpu={"count": 1})


def cold(*changes: Object) -> PlannedCluster:
    """A pipeline whose pods have their models and have not loaded them yet."""
    found = PlannedCluster(pipeline(*changes))
    found.run()
    found.raw.pop("status")
    found.warm_ups.clear()
    found.step()
    return found


def loaded(found: PlannedCluster) -> tuple[str, str]:
    one = condition(found.plan(), "ModelsLoaded")
    return one["status"], one["reason"]


def test_a_pipeline_becomes_ready_once_its_models_are_loaded() -> None:
    found = cold()

    plan = found.plan()
    assert loaded(found) == ("False", "Warming")
    assert condition(plan, "Ready")["reason"] == "Warming"
    assert condition(plan, "OllamaAvailable")["status"] == "True", "the pods serve all the same"
    assert [model["stage"] for model in plan.status["models"]] == ["Warming"]

    found.run()
    assert loaded(found) == ("True", "ModelsLoaded")
    assert condition(found.plan(), "Ready")["status"] == "True"


def test_a_pipeline_that_serves_stays_ready_while_another_pod_loads_its_models() -> None:
    found = converged(of_ollama(scaling={"minReplicas": 2, "maxReplicas": 2}, cache={"accessMode": "ReadWriteMany"}))
    found.warm_ups.clear()
    found.raw["status"]["ollama"]["warmPods"].popitem()

    plan = found.plan()

    assert loaded(found) == ("False", "Warming")
    assert condition(plan, "Ready")["status"] == "True"
    assert plan.status["models"][0]["stage"] == "Ready"


def test_a_pipeline_that_serves_stays_ready_if_another_pod_cannot_load_its_models() -> None:
    found = converged(of_ollama(scaling={"minReplicas": 2, "maxReplicas": 2}, cache={"accessMode": "ReadWriteMany"}))
    pod, _ = found.raw["status"]["ollama"]["warmPods"].popitem()
    key = found.warm_ups[pod].key
    found.warm_ups = {pod: WarmUp(pod, key, "Failed", "llama3", error="it broke", attempts=1)}

    assert loaded(found) == ("False", "LoadFailed")
    assert condition(found.plan(), "Ready")["status"] == "True"


def test_a_model_that_cannot_be_loaded_is_reported_with_the_words_of_ollama() -> None:
    found = cold()
    error = "model requires more system memory (5.6 GiB) than is available (3.2 GiB)"
    found.warm_ups = {
        name: replace(one, stage="Failed", model="llama3", error=error, attempts=1)
        for name, one in found.warm_ups.items()
    }

    plan = found.plan()

    assert loaded(found) == ("False", "LoadFailed")
    assert error in condition(plan, "Ready")["message"]
    assert "LoadFailed" in [event.reason for event in plan.events]


@pytest.mark.parametrize(("change", "verdict"), [(GPU, ("False", "PartlyOnCPU")), ({}, ("True", "ModelsLoaded"))])
def test_a_model_that_is_partly_on_the_cpu_is_reported_if_there_are_gpus(
    change: Object, verdict: tuple[str, str]
) -> None:
    found = cold(change)
    found.warm_ups = {
        name: replace(one, stage="Loaded", memory={"llama3:latest": Memory(5_200_000_000, 3_100_000_000)})
        for name, one in found.warm_ups.items()
    }

    plan = found.plan()

    assert loaded(found) == verdict
    assert condition(plan, "Ready")["status"] == "True", "it serves, slowly"
    if change:
        text = "llama3: 3.1 GB of 5.2 GB on the GPU, the rest on the CPU"
        assert condition(plan, "ModelsLoaded")["message"] == text
    assert (plan.status["models"][0]["memoryBytes"], plan.status["models"][0]["gpuBytes"]) == (
        5_200_000_000,
        3_100_000_000,
    )


def test_models_that_do_not_fit_together_are_reported() -> None:
    found = cold(TWO)
    found.warm_ups = {
        name: replace(one, stage="Loaded", evicted=("mistral:latest",)) for name, one in found.warm_ups.items()
    }

    plan = found.plan()

    assert loaded(found) == ("False", "ModelsSwap")
    assert condition(plan, "ModelsLoaded")["message"].startswith("mistral was unloaded to load another model")
    assert condition(plan, "Ready")["status"] == "True"
    assert plan.status["models"][1]["swapped"]


def test_an_external_ollama_is_not_warmed() -> None:
    assert not decide(url="http://box:11434").warmth.start
