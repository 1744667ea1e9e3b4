"""Handover between managed and external components: what the bridges call is always available."""

from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_ollama, of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import Health

pytestmark = pytest.mark.unit

WHISPER = Ref("Deployment", "calls-whisper")
MANAGED = "http://calls-whisper-pods.team.svc:9000"
EXTERNAL = "http://asr:9000"


def converged(*changes: dict[str, Any], **healthy: bool) -> PlannedCluster:
    found = PlannedCluster(pipeline(*changes))
    found.health = {component: Health(state) for component, state in healthy.items()}
    found.run()
    return found


def whisper_url(found: PlannedCluster) -> str:
    """The URL by which the bridges call Whisper."""
    url: str = found.object("ConfigMap", "calls-bridge")["data"]["WHISPER_URL"]
    return url


def ready(found: PlannedCluster) -> tuple[str, str]:
    condition = next(one for one in found.raw["status"]["conditions"] if one["type"] == "Ready")
    return condition["status"], condition["message"]


def test_managed_pods_are_kept_until_the_bridges_call_the_external_service() -> None:
    found = converged(whisper=True)
    found.edit(pipeline(of_whisper(url=EXTERNAL))["spec"])

    found.step()
    assert whisper_url(found) == EXTERNAL
    assert WHISPER in found.objects, "old bridge pods still call it"

    found.run()
    assert WHISPER not in found.objects
    assert Ref("Service", "calls-whisper-pods") not in found.objects
    assert ready(found)[0] == "True"


def test_the_bridges_keep_calling_managed_pods_while_the_external_service_is_down() -> None:
    found = converged(whisper=False)
    found.edit(pipeline(of_whisper(url=EXTERNAL))["spec"])

    found.run()

    assert whisper_url(found) == MANAGED
    assert WHISPER in found.objects
    assert ready(found)[0] == "False"
    found.health["whisper"] = Health(healthy=True)
    found.run()
    assert whisper_url(found) == EXTERNAL


def test_the_bridges_call_the_external_service_until_managed_pods_are_available() -> None:
    found = converged(of_whisper(url=EXTERNAL), whisper=True)
    found.edit(pipeline()["spec"])

    found.step()
    assert WHISPER in found.objects
    assert whisper_url(found) == EXTERNAL
    assert not found.plan().apply, "it is waiting"

    found.run()
    assert whisper_url(found) == MANAGED
    assert ready(found)[0] == "True"


def test_a_handover_in_progress_is_reported() -> None:
    found = converged(of_ollama(url="http://box:11434"), ollama=True)
    found.external_models = {"llama3:latest"}
    found.run()
    found.edit(pipeline()["spec"])

    found.step()
    plan = found.step()

    progress = next(one for one in plan.status["conditions"] if one["type"] == "Progressing")
    assert (progress["status"], progress["reason"]) == ("True", "RolloutInProgress")
    assert found.object("ConfigMap", "calls-bridge")["data"]["OLLAMA_URL"] == "http://box:11434"


def test_an_external_ollama_takes_over_only_once_it_has_the_models() -> None:
    found = converged(ollama=True)
    found.edit(pipeline(of_ollama(url="http://box:11434"))["spec"])

    found.run()
    assert found.object("ConfigMap", "calls-bridge")["data"]["OLLAMA_URL"].startswith("http://calls-ollama-pods.")

    found.external_models = {"llama3:latest"}
    found.run()
    assert found.object("ConfigMap", "calls-bridge")["data"]["OLLAMA_URL"] == "http://box:11434"
    assert Ref("Deployment", "calls-ollama") not in found.objects


def test_a_manual_change_of_the_address_is_reverted_even_while_whisper_is_unavailable() -> None:
    found = converged()
    found.object("ConfigMap", "calls-bridge")["data"]["WHISPER_URL"] = "http://wrong:1"
    found.pods_of("whisper")[0]["status"]["conditions"] = []
    found.settle()

    found.step()

    assert whisper_url(found) == MANAGED


def test_deleted_bridges_are_recreated_for_the_new_spec() -> None:
    found = converged(whisper=False)
    found.edit(pipeline(of_whisper(url=EXTERNAL))["spec"])
    del found.objects[Ref("Deployment", "calls-bridge")]

    found.run()

    assert whisper_url(found) == EXTERNAL


def test_a_suspended_pipeline_hands_over_at_once() -> None:
    found = converged(whisper=False)
    found.edit(pipeline(of_whisper(url=EXTERNAL), {"suspend": True})["spec"])

    found.run()

    assert whisper_url(found) == EXTERNAL
    assert WHISPER not in found.objects


def test_other_changes_are_not_held_back() -> None:
    found = converged()
    found.edit(pipeline(of_bridge(requestTimeout="60s"))["spec"])

    found.step()

    assert found.object("ConfigMap", "calls-bridge")["data"]["REQUEST_TIMEOUT"] == "60"
