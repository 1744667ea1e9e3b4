"""Updates: what a new release of the operator changes in the pods waits for its turn, unlike what the user changes."""

from typing import Any

import pytest
from hypothesis import assume, given, settings

from cluster.pipelines import of_bridge, of_ollama, of_whisper, pipeline
from fakes.pipeline_specs import SPECS
from fakes.planned_cluster import PlannedCluster, condition, converged
from speechoperator.api import Bridge, Ollama
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan
from speechoperator.plan.snapshot import Health
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

COMPONENTS = ("whisper", "ollama", "bridge")
NEW_RELEASE = Settings(
    whisper_image="speechpipeline/whisper:0.2.0", bridge_image="speechpipeline/bridge:0.2.0", ollama_image="ollama:2"
)
MANUAL = {"upgradePolicy": "Manual"}


def upgraded(*changes: dict[str, Any], slots: int = 0) -> PlannedCluster:
    """A pipeline that serves, under an operator that was upgraded; with no slots it is not its turn."""
    found = converged(*changes)
    found.settings, found.slots = NEW_RELEASE, slots
    return found


def stuck() -> PlannedCluster:
    """A pipeline whose update has been made, and whose new Whisper pods do not become ready."""
    found = upgraded(slots=1)
    found.step()
    found.step()
    found.settle()
    for pod in found.pods_of("whisper"):
        pod["status"]["conditions"] = []
    found.settle()
    return found


def written(plan: Plan) -> set[str]:
    return {f"{one.object['kind']}/{one.object['metadata']['name'].removeprefix('calls-')}" for one in plan.apply}


def available(plan: Plan) -> dict[str, Any]:
    """The condition UpdateAvailable; {} if there is none."""
    return next((one for one in plan.status["conditions"] if one["type"] == "UpdateAvailable"), {})


def image(found: PlannedCluster, component: str) -> str:
    pod = found.object("Deployment", f"calls-{component}")["spec"]["template"]["spec"]
    name: str = pod["containers"][0]["image"]
    return name


def test_an_update_waits_for_its_turn_and_the_pipeline_stays_ready() -> None:
    found = upgraded()

    plan = found.run()

    assert written(plan) == set()
    assert plan.update == "waiting"
    said = available(plan)
    assert (said["status"], said["reason"]) == ("True", "UpdateQueued")
    assert "whisper (speechpipeline/whisper:0.1.0 -> speechpipeline/whisper:0.2.0)" in said["message"]
    assert condition(plan, "Ready")["status"] == "True"
    assert condition(plan, "Progressing")["reason"] == "UpToDate"


def test_annotations_for_prometheus_wait_for_their_turn_as_they_replace_pods() -> None:
    found = converged()
    found.settings, found.slots = Settings(scrape_annotations=True), 0

    plan = found.run()

    assert written(plan) == set()
    assert plan.update == "waiting"


def test_an_update_is_made_when_it_is_its_turn_and_ends_when_the_new_pods_serve() -> None:
    found = upgraded(slots=1)

    first, second = found.step(), found.step()
    assert (first.update, written(first)) == ("waiting", set())
    assert {f"Deployment/{component}" for component in COMPONENTS} <= written(second)
    during = found.plan()
    assert (during.update, available(during)["reason"]) == ("running", "Updating")

    done = found.run()

    assert (done.update, available(done)) == ("none", {})
    assert image(found, "whisper") == "speechpipeline/whisper:0.2.0"
    assert done.status["whisper"]["image"] == "speechpipeline/whisper:0.2.0"


def test_an_update_that_does_not_become_ready_keeps_its_slot() -> None:
    """The others are not broken as well."""
    found = stuck()

    assert found.step().update == "running"


@pytest.mark.parametrize("change", [MANUAL, {"suspend": True}])
def test_an_update_that_no_longer_matters_gives_its_slot_back(change: dict[str, Any]) -> None:
    found = stuck()
    found.edit(pipeline(change)["spec"])

    assert found.step().update == "none"


def test_an_update_ends_though_the_bridge_is_scaled_to_zero_meanwhile() -> None:
    found = upgraded(slots=1)
    found.step()
    found.step()
    found.edit(pipeline(of_bridge(replicas=0))["spec"])

    assert found.run().update == "none"


def test_a_change_of_the_spec_is_made_at_once_with_the_update_of_that_component() -> None:
    found = upgraded()
    found.edit(pipeline(of_whisper(model="medium"))["spec"])

    plan = found.plan()

    assert "Deployment/whisper" in written(plan)
    assert "Deployment/ollama" not in written(plan)


@pytest.mark.parametrize("change", [of_ollama(contextLength=4096), of_bridge(requestTimeout="10m")])
def test_a_change_of_the_bridges_environment_is_made_at_once(change: dict[str, Any]) -> None:
    found = upgraded()
    found.edit(pipeline(change)["spec"])

    assert {"ConfigMap/bridge", "Deployment/bridge"} <= written(found.plan())


@pytest.mark.parametrize(
    "change",
    [
        of_ollama(models=[{"name": "qwen3:4b"}, {"name": "llama3"}]),
        of_ollama(cache={"whenDeleted": "Delete"}),
        {"upgradePolicy": "Manual"},
    ],
)
def test_a_change_that_is_not_about_the_pods_of_ollama_brings_no_update_of_them(change: dict[str, Any]) -> None:
    found = upgraded()
    found.edit(pipeline(change)["spec"])

    assert "Deployment/ollama" not in written(found.plan())


@pytest.mark.parametrize("policy", [{}, MANUAL])
def test_that_a_component_may_now_be_scaled_to_zero_is_made_at_once(policy: dict[str, Any]) -> None:
    """The bridge holds requests for longer then."""
    found = converged(policy)
    found.slots = 0
    found.edit(pipeline(policy, of_whisper(scaling={"minReplicas": 0}))["spec"])

    assert {"ConfigMap/bridge", "Deployment/bridge"} <= written(found.plan())


@pytest.mark.parametrize("change", [{"verification": {"interval": "30m"}}, of_bridge(ingress={"host": "a.example"})])
def test_a_change_that_is_not_about_pods_releases_no_held_update(change: dict[str, Any]) -> None:
    found = upgraded(MANUAL)
    found.edit(pipeline(MANUAL, change)["spec"])

    found.run()

    assert image(found, "whisper") == "speechpipeline/whisper:0.1.0"
    assert image(found, "bridge") == "speechpipeline/bridge:0.1.0"


def test_a_change_of_the_bridges_replicas_is_not_held() -> None:
    found = upgraded(MANUAL)
    found.edit(pipeline(MANUAL, of_bridge(replicas=3))["spec"])

    found.run()

    assert found.object("Deployment", "calls-bridge")["spec"]["replicas"] == 3


def test_a_change_of_the_volume_is_made_at_once() -> None:
    found = upgraded()
    found.edit(pipeline(of_ollama(cache={"existingClaim": "mine"}))["spec"])

    assert "Deployment/ollama" in written(found.plan())


def test_drift_is_reverted_while_an_update_is_pending() -> None:
    found = converged()
    found.slots = 0
    found.object("Deployment", "calls-whisper")["spec"]["template"]["spec"]["containers"][0]["image"] = "edited:1"

    assert written(found.plan()) == {"Deployment/whisper"}


def test_what_is_not_in_the_pods_is_no_update() -> None:
    found = converged()
    found.slots = 0
    found.object("Service", "calls-bridge")["spec"]["ports"] = []
    found.settings = Settings(pod_namespace="elsewhere")

    assert {"Service/bridge", "NetworkPolicy/whisper", "NetworkPolicy/ollama"} == written(found.plan())


@pytest.mark.parametrize("policy", [{}, MANUAL])
def test_what_a_release_without_hashes_made_is_updated_at_once(policy: dict[str, Any]) -> None:
    """What has changed cannot be told, and its pods may wait for what this release no longer does."""
    found = upgraded(policy)
    for ref, thing in found.objects.items():
        if ref.kind == "Deployment":
            thing["metadata"]["annotations"] = {"speechpipeline.dev/applied": "x"}

    plan = found.plan()

    assert plan.update == "none"
    assert {f"Deployment/{component}" for component in COMPONENTS} <= written(plan)


def test_defaults_that_a_new_definition_fills_in_are_no_change_of_the_spec() -> None:
    found = upgraded(MANUAL)
    spec = found.raw["spec"]
    spec["ollama"]["parallel"] = Ollama.model_fields["parallel"].default
    spec["bridge"] = {**spec.get("bridge", {}), "replicas": Bridge.model_fields["replicas"].default}
    found.edit(spec)

    assert written(found.plan()) == set()


def test_nothing_that_the_bridge_uses_is_deleted_while_its_update_is_held() -> None:
    found = upgraded()
    found.health = {"whisper": Health(healthy=True)}
    spec = pipeline(of_whisper(url="http://elsewhere:9000"))["spec"]
    found.object("Deployment", "calls-bridge")["metadata"]["annotations"]["speechpipeline.dev/inputs-hash"] = (
        inputs_hash_of(spec)
    )
    found.edit(spec)

    plan = found.plan()

    assert "Deployment/bridge" not in written(plan)
    assert not {gone.ref.name for gone in plan.delete} & {"calls-whisper", "calls-whisper-pods"}


def inputs_hash_of(spec: dict[str, Any]) -> str:
    """What the bridge of a pipeline with this spec is stamped with."""
    other = PlannedCluster(pipeline(spec))
    other.health = {"whisper": Health(healthy=True)}
    other.run()
    stamp: str = other.object("Deployment", "calls-bridge")["metadata"]["annotations"]["speechpipeline.dev/inputs-hash"]
    return stamp


def test_a_model_that_is_missing_for_long_does_not_hold_the_slot() -> None:
    found = upgraded(of_ollama(url="http://llm:11434"), slots=1)
    found.health = {"ollama": Health(healthy=True)}
    found.external_models = set()

    for _ in range(3):
        found.step()
        found.settle()

    plan = found.step()
    assert condition(plan, "ModelsReady")["status"] == "False"
    assert plan.update == "none"
    assert image(found, "whisper") == "speechpipeline/whisper:0.2.0"


def test_a_pipeline_that_does_not_serve_does_not_wait() -> None:
    found = upgraded()
    for one in found.raw["status"]["conditions"]:
        if one["type"] == "WhisperAvailable":
            one["status"] = "False"

    plan = found.plan()

    assert "Deployment/whisper" in written(plan)
    assert plan.update == "none"


def test_a_suspended_pipeline_does_not_wait() -> None:
    found = upgraded({"suspend": True})

    assert found.plan().update == "none"
    assert "Deployment/whisper" in written(found.plan())


def test_manual_keeps_the_pods_until_it_is_automatic() -> None:
    found = upgraded(MANUAL, slots=1)

    kept = found.run()

    said = available(kept)
    assert (said["reason"], kept.update, written(kept)) == ("UpdateHeld", "none", set())
    assert "Set spec.upgradePolicy to Automatic" in said["message"]
    assert image(found, "ollama") == "ollama/ollama:0.17.4"
    assert condition(kept, "Ready")["status"] == "True"

    found.edit(pipeline()["spec"])
    found.run()
    assert image(found, "ollama") == "ollama:2"


def test_a_pipeline_that_is_made_manual_gives_its_slot_back() -> None:
    found = upgraded(slots=1)
    found.step()
    found.edit(pipeline(MANUAL)["spec"])

    assert found.plan().update == "none"


def test_without_the_pods_missing_objects_are_made_even_if_an_update_is_held() -> None:
    found = upgraded(MANUAL)
    del found.objects[Ref("Deployment", "calls-ollama")]

    assert "Deployment/ollama" in written(found.plan())


@settings(max_examples=15)
@given(SPECS)
def test_a_new_release_replaces_no_pod_of_any_pipeline_out_of_turn(spec: dict[str, Any]) -> None:
    found = PlannedCluster({"metadata": {"name": "calls"}, "spec": spec})
    found.health = {"whisper": Health(healthy=True), "ollama": Health(healthy=True)}
    found.external_models = {"llama3:latest", "qwen3:4b", "mistral:latest", "registry:5000/library/phi4:latest"}
    settled = found.run().status["conditions"]
    assume(all(one["status"] == "True" for one in settled if one["type"].endswith("Available")))
    pods = sorted(pod["metadata"]["name"] for pod in found.pods)
    found.settings, found.slots = NEW_RELEASE, 0

    plan = found.run()

    assert sorted(pod["metadata"]["name"] for pod in found.pods) == pods
    assert condition(plan, "Ready")["status"] == "True"
