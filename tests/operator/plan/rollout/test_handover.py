"""A part that moves, between pods of ours and a service elsewhere: what is called is always there."""

from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_ollama, of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import Health

pytestmark = pytest.mark.unit

WHISPER = Ref("Deployment", "calls-whisper")
OURS = "http://calls-whisper-pods.team.svc:9000"
THERE = "http://asr:9000"


def running(*changes: dict[str, Any], **answers: bool) -> PlannedCluster:
    found = PlannedCluster(pipeline(*changes))
    found.answers = {part: Health(healthy) for part, healthy in answers.items()}
    found.run()
    return found


def called(found: PlannedCluster) -> str:
    """Where the bridges call Whisper."""
    url: str = found.object("ConfigMap", "calls-bridge")["data"]["WHISPER_URL"]
    return url


def ready(found: PlannedCluster) -> tuple[str, str]:
    said = next(one for one in found.raw["status"]["conditions"] if one["type"] == "Ready")
    return said["status"], said["message"]


def test_our_pods_stay_until_the_bridges_call_elsewhere() -> None:
    found = running(whisper=True)
    found.edit(pipeline(of_whisper(url=THERE))["spec"])

    found.step()
    assert called(found) == THERE
    assert WHISPER in found.objects, "bridges of before still call it"

    found.run()
    assert WHISPER not in found.objects
    assert Ref("Service", "calls-whisper-pods") not in found.objects
    assert ready(found)[0] == "True"


def test_bridges_are_not_sent_where_nobody_answers() -> None:
    found = running(whisper=False)
    found.edit(pipeline(of_whisper(url=THERE))["spec"])

    found.run()

    assert called(found) == OURS
    assert WHISPER in found.objects
    assert ready(found)[0] == "False"
    found.answers["whisper"] = Health(healthy=True)
    found.run()
    assert called(found) == THERE


def test_bridges_call_elsewhere_until_our_pods_serve() -> None:
    found = running(of_whisper(url=THERE), whisper=True)
    found.edit(pipeline()["spec"])

    found.step()
    assert WHISPER in found.objects
    assert called(found) == THERE
    assert not found.plan().apply, "it only waits"

    found.run()
    assert called(found) == OURS
    assert ready(found)[0] == "True"


def test_what_it_waits_for_is_said() -> None:
    found = running(of_ollama(url="http://box:11434"), ollama=True)
    found.elsewhere = {"llama3:latest"}
    found.run()
    found.edit(pipeline()["spec"])

    found.step()
    plan = found.step()

    progress = next(one for one in plan.status["conditions"] if one["type"] == "Progressing")
    assert (progress["status"], progress["reason"]) == ("True", "RolloutInProgress")
    assert found.object("ConfigMap", "calls-bridge")["data"]["OLLAMA_URL"] == "http://box:11434"


def test_an_ollama_elsewhere_takes_over_with_its_models_only() -> None:
    found = running(ollama=True)
    found.edit(pipeline(of_ollama(url="http://box:11434"))["spec"])

    found.run()
    assert found.object("ConfigMap", "calls-bridge")["data"]["OLLAMA_URL"].startswith("http://calls-ollama-pods.")

    found.elsewhere = {"llama3:latest"}
    found.run()
    assert found.object("ConfigMap", "calls-bridge")["data"]["OLLAMA_URL"] == "http://box:11434"
    assert Ref("Deployment", "calls-ollama") not in found.objects


def test_a_hand_that_sent_the_bridges_elsewhere_is_set_right_though_whisper_is_away() -> None:
    found = running()
    found.object("ConfigMap", "calls-bridge")["data"]["WHISPER_URL"] = "http://wrong:1"
    found.pods_of("whisper")[0]["status"]["conditions"] = []
    found.settle()

    found.step()

    assert called(found) == OURS


def test_bridges_that_are_gone_are_made_for_the_new_spec() -> None:
    found = running(whisper=False)
    found.edit(pipeline(of_whisper(url=THERE))["spec"])
    del found.objects[Ref("Deployment", "calls-bridge")]

    found.run()

    assert called(found) == THERE


def test_a_suspended_pipeline_waits_for_nothing() -> None:
    found = running(whisper=False)
    found.edit(pipeline(of_whisper(url=THERE), {"suspend": True})["spec"])

    found.run()

    assert called(found) == THERE
    assert WHISPER not in found.objects


def test_other_changes_do_not_wait() -> None:
    found = running()
    found.edit(pipeline(of_bridge(requestTimeout="60s"))["spec"])

    found.step()

    assert found.object("ConfigMap", "calls-bridge")["data"]["REQUEST_TIMEOUT"] == "60"
