"""The life of models in a whole pipeline: what the bridge offers, and what the status reports."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.api import Object
from cluster.pipelines import of_ollama, pipeline
from fakes.ollama_snapshots import MISSING, POD, decide, has, ollama_pod
from fakes.planned_cluster import PlannedCluster, condition, converged, verdict
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import Health, OllamaPod
from speechoperator.settings import SCALER

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("models", "offers", "offered"),
    [
        pytest.param(("llama3", "new"), (), None, id="before there are bridges: all"),
        pytest.param(("llama3", "mistral"), ("llama3",), None, id="all are present: all"),
        pytest.param(("llama3", "new"), ("llama3",), ("llama3",), id="a new model waits"),
        pytest.param(("new", "llama3"), ("llama3",), ("llama3",), id="a new default waits"),
        pytest.param(("new", "mistral", "llama3"), ("llama3",), ("mistral", "llama3"), id="a present model is offered"),
        pytest.param(("new",), ("llama3",), ("llama3",), id="the old model stays until the new one is present"),
        pytest.param(("new", "llama3"), ("old", "llama3"), ("llama3",), id="a removed model is dropped"),
    ],
)
def test_the_bridge_offers_models_that_are_present(
    models: tuple[str, ...], offers: tuple[str, ...], offered: tuple[str, ...] | None
) -> None:
    pods, answers = (ollama_pod(),), {POD: has("llama3:latest", "mistral:latest")}

    assert decide(*models, pods=pods, answers=answers, offers=offers).offered == offered


def with_models(*names: str) -> dict[str, Any]:
    return of_ollama(models=[{"name": name} for name in names])


def reason(found: PlannedCluster, kind: str) -> str:
    word: str = condition(found.plan(), kind)["reason"]
    return word


def offered_by_bridges(found: PlannedCluster) -> str:
    names: str = found.object("ConfigMap", "calls-bridge")["data"]["MODELS"]
    return names


def starting() -> PlannedCluster:
    """A new pipeline whose Ollama is running without its model."""
    found = PlannedCluster(pipeline())
    found.step()
    found.settle()
    return found


def test_a_new_model_takes_no_pod_out_of_service_and_is_offered_once_present() -> None:
    found = converged(with_models("llama3"))
    found.edit(pipeline(with_models("new", "llama3"))["spec"])

    found.step()
    found.step()
    assert [pull.model for pull in found.pulls.values()] == ["new"]
    assert offered_by_bridges(found) == "llama3"
    assert reason(found, "OllamaAvailable") == "Available"
    assert reason(found, "ModelsReady") == "ModelsPulling"
    assert reason(found, "Ready") == "ModelsPulling"

    found.run()
    assert offered_by_bridges(found) == "new,llama3"
    assert reason(found, "Ready") == "Ready"


def test_a_manual_change_of_the_offered_models_is_reverted() -> None:
    found = converged(with_models("llama3", "mistral"))
    found.object("ConfigMap", "calls-bridge")["data"]["MODELS"] = "mistral"
    found.pods = [pod for pod in found.pods if pod not in found.pods_of("ollama")]

    found.step()

    assert offered_by_bridges(found) == "llama3,mistral"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MODEL_OPTIONS", "{oops"),
        ("MODEL_OPTIONS", "[]"),
        ("MODEL_OPTIONS", '{"llama3": 3}'),
        ("CONTEXT_LENGTH", "8k"),
    ],
)
def test_an_environment_that_cannot_be_parsed_is_reverted_and_loads_no_model_again(variable: str, value: str) -> None:
    found = converged(of_ollama(contextLength=4096, models=[{"name": "llama3", "options": {"top_p": 0.5}}]))
    environment = dict(found.object("ConfigMap", "calls-bridge")["data"])
    found.object("ConfigMap", "calls-bridge")["data"][variable] = value

    plan = found.step()

    assert found.object("ConfigMap", "calls-bridge")["data"] == environment
    assert plan.warm_ups == ()
    assert reason(found, "ModelsLoaded") == "ModelsLoaded"


def test_before_the_pods_are_queried_their_bytes_are_those_of_the_status() -> None:
    """Otherwise every restart of the operator would write the status twice."""
    pods, status = (ollama_pod(),), {"modelsBytes": 5, "modelsFreeBytes": 6}
    answers = {POD: replace(has("llama3"), sizes={"llama3": 7})}

    before = decide(pods=pods, status=status)
    assert (before.bytes_used, before.bytes_free) == (5, 6)
    assert decide(pods=pods, answers=answers, status=status).bytes_used == 7


PVC = {"spec": {"resources": {"requests": {"storage": "10Gi"}}}}
GRANTED = PVC | {"status": {"capacity": {"storage": "20Gi"}}}
LISTED = 3 << 30


@pytest.mark.parametrize(
    ("pvc", "cache", "claim", "free"),
    [
        (PVC, {}, "calls-ollama", 7 << 30),
        (GRANTED, {}, "calls-ollama", 17 << 30),
        (PVC | {"status": {"capacity": {"storage": "1Gi"}}}, {}, "calls-ollama", 0),
        (GRANTED, {"existingClaim": "models"}, "models", None),
        (GRANTED, {"ephemeral": True, "size": "5Gi"}, None, 2 << 30),
        (GRANTED, {"ephemeral": True}, None, 47 << 30),
        (GRANTED, {"nodePath": "/models"}, None, None),
    ],
    ids=str,
)
def test_what_the_models_leave_of_a_known_capacity_is_reported(
    pvc: Object, cache: Object, claim: str | None, free: int | None
) -> None:
    objects = {Ref("PersistentVolumeClaim", "calls-ollama"): pvc}
    answers = {POD: replace(has("llama3"), sizes={"llama3": LISTED})}

    plan = decide(pods=(ollama_pod(pvc=claim),), answers=answers, objects=objects, cache=cache)

    assert (plan.bytes_used, plan.bytes_free) == (LISTED, free)


def with_a_further_pod(found: PlannedCluster) -> PlannedCluster:
    """The scaler adds an Ollama pod, whose own volume is empty."""
    found.write_replicas("calls-ollama", 2, SCALER)
    found.settle()
    return found


SEVERAL = of_ollama(scaling={"minReplicas": 1, "maxReplicas": 3})


def test_a_pipeline_that_serves_stays_ready_while_a_further_pod_pulls_its_models() -> None:
    found = with_a_further_pod(converged(SEVERAL))

    found.step()

    plan = found.plan()
    assert verdict(plan, "Ready")[0] == "True"
    assert verdict(plan, "OllamaAvailable")[0] == "True"
    assert verdict(plan, "ModelsReady")[:2] == ("False", "ModelsPulling")
    assert verdict(plan, "Progressing")[:2] == ("True", "ModelsPulling")


def test_it_stays_ready_if_that_pull_fails_and_the_failure_is_reported() -> None:
    found = with_a_further_pod(converged(SEVERAL))
    found.step()
    found.fail_pull(MISSING)

    plan = found.plan()

    assert verdict(plan, "Ready")[0] == "True"
    assert "Stalled" not in {one["type"] for one in plan.status["conditions"]}
    assert verdict(plan, "ModelsReady")[1] == verdict(plan, "Progressing")[1] == "PullFailed"


@pytest.mark.parametrize(
    "ollama",
    [
        pytest.param(of_ollama(scaling={"minReplicas": 2, "maxReplicas": 3}), id="more pods are required"),
        pytest.param(
            of_ollama(models=[{"name": "llama3"}, {"name": "new"}], scaling={"minReplicas": 1, "maxReplicas": 3}),
            id="a new model is wanted",
        ),
    ],
)
def test_it_is_not_ready_while_a_changed_spec_needs_the_pull(ollama: dict[str, Any]) -> None:
    found = with_a_further_pod(converged(SEVERAL))
    found.edit(pipeline(ollama)["spec"])

    found.step()

    assert verdict(found.plan(), "Ready")[:2] == ("False", "ModelsPulling")


def test_a_new_pipeline_is_ready_once_every_pod_has_the_models() -> None:
    found = PlannedCluster(pipeline(of_ollama(scaling={"minReplicas": 2, "maxReplicas": 3})))
    found.step()
    found.settle()
    found.stored["pod:" + found.pods_of("ollama")[0]["metadata"]["name"]] = {"llama3:latest"}

    assert verdict(found.plan(), "Ready")[0] == "False"


def test_a_failed_pull_is_reported_with_its_error_and_retried() -> None:
    found = starting()
    found.step()
    found.fail_pull(MISSING)

    plan = found.step()
    assert [event.reason for event in plan.events] == ["PullFailed"]
    assert plan.requeue_after == 5
    assert MISSING in plan.status["models"][0]["message"]
    assert reason(found, "Ready") == "PullFailed"
    assert reason(found, "Progressing") == "PullFailed"

    found.later(5)
    retry = found.step()
    assert [pull.model for pull in retry.pulls] == ["llama3"]
    assert not retry.events
    found.run()
    assert reason(found, "Ready") == "Ready"


def test_an_external_ollama_without_the_model_is_reported() -> None:
    found = PlannedCluster(pipeline(of_ollama(url="http://box:11434")))
    found.health = {"ollama": Health(healthy=True)}

    found.run()

    assert reason(found, "ModelsReady") == "ModelsMissing"
    assert reason(found, "OllamaAvailable") == "Available"


def test_an_unreachable_ollama_is_reported() -> None:
    found = starting()
    pod = found.pods_of("ollama")[0]["metadata"]["name"]
    answer = replace(found.snapshot(), ollama={pod: OllamaPod(reachable=False, detail="timeout")})
    found.snapshot = lambda: answer  # type: ignore[method-assign]

    assert reason(found, "ModelsReady") == "OllamaUnreachable"


def test_the_progress_of_a_pull_changes_no_condition() -> None:
    found = starting()
    found.step()
    ((key, pull),) = found.pulls.items()
    found.step()

    found.pulls[key] = replace(pull, completed=10, total=100, rate=9)
    plan = found.plan()

    progress = {"completedBytes": 10, "totalBytes": 100, "percent": 10, "bytesPerSecond": 9, "etaSeconds": 10}
    assert plan.status["models"] == [{"name": "llama3", "stage": "Pulling", **progress, "replicasReady": 0}]
    assert plan.status["modelsSummary"] == "0/1 llama3 10% 9B/s 10s"
    assert plan.status["conditions"] == found.raw["status"]["conditions"]


def test_a_service_that_does_not_list_its_models_without_credentials_is_taken_to_have_them() -> None:
    found = PlannedCluster(pipeline(of_ollama(url="http://vllm:8000", protocol="openai")))
    found.health = {"ollama": Health(healthy=True, rejected=True)}
    found.external_rejects = True

    plan = found.run()

    assert condition(plan, "ModelsReady")["reason"] == "CredentialsRequired"
    assert [condition(plan, kind)["status"] for kind in ("ModelsReady", "OllamaAvailable", "Ready")] == ["True"] * 3
    assert plan.status["modelsSummary"] == "1/1"


def test_a_model_that_a_server_with_openais_api_does_not_have_is_named_with_what_it_has() -> None:
    found = PlannedCluster(pipeline(of_ollama(url="http://vllm:8000", protocol="openai")))
    found.health = {"ollama": Health(healthy=True)}
    found.external_models = {"Qwen/Qwen3-8B"}

    missing = condition(found.run(), "ModelsReady")

    assert missing["reason"] == "ModelsMissing"
    assert "missing at http://vllm:8000, which has qwen/qwen3-8b" in missing["message"]
    assert "--served-model-name" in missing["message"]


def required(found: PlannedCluster) -> list[str]:
    """The models that the readiness probe of the pods requires."""
    models: str = found.object("ConfigMap", "calls-ollama")["data"]["models"]
    return models.splitlines()


def test_pods_require_the_models_that_the_bridge_offers() -> None:
    found = converged(with_models("llama3", "registry:5000/library/Phi4"))
    assert required(found) == ["llama3:latest", "registry:5000/library/phi4:latest"]

    found.edit(pipeline(with_models("new", "llama3"))["spec"])
    found.step()
    found.step()
    assert required(found) == ["llama3:latest"], "the pods that serve lack the new one"

    found.run()
    assert required(found) == ["new:latest", "llama3:latest"]


def test_a_model_that_is_added_rolls_no_pod_of_ollama() -> None:
    found = converged(with_models("llama3"))
    pods = [pod["metadata"]["name"] for pod in found.pods_of("ollama")]

    found.edit(pipeline(with_models("llama3", "new"))["spec"])
    found.run()

    assert [pod["metadata"]["name"] for pod in found.pods_of("ollama")] == pods


@pytest.mark.parametrize("told", [True, False])
def test_a_pull_that_takes_long_is_no_fault_of_the_probe(*, told: bool) -> None:
    """With or without the Event about the failed probe."""
    found = starting()
    found.later(3600)
    if not told:
        found.pod_warnings.clear()

    plan = found.plan()

    assert condition(plan, "OllamaAvailable")["reason"] == "WaitingForModels"
    assert condition(plan, "Progressing")["status"] == "True"


def test_a_pod_that_has_just_got_its_models_is_no_fault_before_its_next_probe() -> None:
    found = starting()
    found.later(3600)
    found.stored["pvc:calls-ollama"] = {"llama3:latest"}

    assert condition(found.plan(), "OllamaAvailable")["reason"] == "Starting"


def test_a_probe_that_fails_for_another_reason_is_reported() -> None:
    found = starting()
    found.later(3600)
    found.stored["pvc:calls-ollama"] = {"llama3:latest"}
    (pod,) = found.pods_of("ollama")
    found.pod_warnings[pod["metadata"]["name"]] = 'Readiness probe errored: exec: "sh": executable file not found'

    assert condition(found.plan(), "OllamaAvailable")["reason"] == "ProbeFailing"


def test_a_ready_pod_that_cannot_be_queried_is_taken_to_have_what_its_probe_requires() -> None:
    silent = {POD: OllamaPod(reachable=False, detail="timeout")}

    assert decide(pods=(ollama_pod(),), answers=silent).states[0].stage == "Ready"
    assert decide("new", pods=(ollama_pod(),), answers=silent).states[0].stage == "Pending"
    assert decide(pods=(ollama_pod(ready=False),), answers=silent).states[0].stage == "Pending"
