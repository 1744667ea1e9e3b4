"""`kubectl speech` on a real cluster, as users run it: a program that knows a kubeconfig and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.api import Api
from e2e.asking import LONGER_VOICE, PROMPT, VOICE, WORDS_WRONG, word_error_rate
from e2e.service import Deployed, Service
from speechlocal.offline import provide

pytestmark = pytest.mark.e2e

WITHIN_S = 300


def kubectl_speech(speech: Service, command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `kubectl speech`: kubectl finds the plugin on the PATH."""
    folders = (str(provide.program("kubectl").parent), str(Path(sys.executable).parent), os.environ["PATH"])
    chosen = ("--kubeconfig", speech.cluster.way.kubeconfig, "-n", speech.namespace)
    return subprocess.run(
        ["kubectl", "speech", command, *arguments, *chosen],
        check=False,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env={**os.environ, "PATH": os.pathsep.join(folders)},
    )


def subtitles(folder: Path) -> dict[str, str]:
    """The files of a folder by name."""
    return {path.name: path.read_text() for path in folder.iterdir()}


async def test_a_question_is_answered_through_a_port_forward(speech: Service) -> None:
    await speech.settle()

    ran = kubectl_speech(speech, "ask", speech.name, VOICE, "--prompt", PROMPT)

    assert ran.returncode == 0, ran.stderr
    heard = ran.stdout.partition(VOICE.name)[2].partition("Answer")[0]
    assert word_error_rate(" ".join(heard.split())) <= WORDS_WRONG
    assert f"to the prompt: {PROMPT}" in ran.stdout
    assert "done after" in ran.stdout


async def test_json_is_the_response_of_the_service(speech: Service) -> None:
    await speech.settle()

    ran = kubectl_speech(speech, "ask", speech.name, VOICE, "--prompt", PROMPT, "-o", "json")

    answer = json.loads(ran.stdout)
    assert word_error_rate(answer["transcription"]) <= WORDS_WRONG
    assert answer["response"]


async def test_files_are_transcribed_once(speech: Service, tmp_path: Path) -> None:
    await speech.settle()
    options = (speech.name, VOICE, LONGER_VOICE, "--output", "srt", "--into", tmp_path)

    first = kubectl_speech(speech, "transcribe", *options)
    second = kubectl_speech(speech, "transcribe", *options)

    assert first.returncode == 0, first.stderr
    assert "2 written" in first.stdout
    written = subtitles(tmp_path)
    assert sorted(written) == [f"{one.stem}.srt" for one in (VOICE, LONGER_VOICE)]
    assert all(text.startswith("1\n00:00:0") for text in written.values())
    assert second.returncode == 0
    assert "all 2 transcripts exist" in second.stdout


async def test_the_status_has_components_and_models(speech: Service) -> None:
    await speech.settle()

    ran = kubectl_speech(speech, "status", speech.name)

    assert ran.returncode == 0, ran.stderr
    assert f"{speech.namespace}/{speech.name}  ready" in ran.stdout
    lines = [line.split()[:5] for line in ran.stdout.splitlines()]
    assert ["whisper", "1", "of", "1", "ready"] in lines
    assert ["smollm2:135m", "ready"] in lines


async def test_the_doctor_finds_no_fault_in_a_ready_pipeline(speech: Service) -> None:
    await speech.settle()

    ran = kubectl_speech(speech, "doctor", speech.name, "-o", "json")

    verdicts = json.loads(ran.stdout)["verdicts"]
    assert [one for one in verdicts if one["level"] == "fault"] == []
    assert ran.returncode == 0
    good = {one["area"] for one in verdicts if one["level"] == "ok"}
    assert {"operator", "permissions", "pods", "gpu", "storage", "models", "ingress", "bridge"} <= good
    (partly_on_cpu,) = [one for one in verdicts if one["area"] == "conditions"]  # the cluster's GPUs are simulated
    assert "PartlyOnCPU" in partly_on_cpu["message"]


async def test_the_doctor_names_what_is_wrong(deployed: Deployed, cluster_api: Api, room: str) -> None:
    ill = Service(cluster_api, deployed.cluster, room, "ill")
    await ill.apply(whisper={"gpu": {"count": 9}}, bridge={"ingress": {"host": "ill.localhost", "className": "nginx"}})
    await ill.says("Exposed", "nginx", 60)
    await cluster_api.until("Deployment", room, "ill-whisper", lambda found: found["status"].get("replicas"), 60)

    ran = kubectl_speech(ill, "doctor", ill.name, "-o", "json")

    verdicts = json.loads(ran.stdout)["verdicts"]
    faults = {one["area"]: one for one in verdicts if one["level"] == "fault"}
    gpus = [one for one in verdicts if one["area"] == "gpu"]
    assert ran.returncode == 1
    assert "IngressClass nginx does not exist; the cluster has traefik" in faults["ingress"]["message"]
    assert "pods without a node request 9 nvidia.com/gpu" in gpus[-1]["message"]
    assert "of 2 are free" in gpus[-1]["message"]
    assert gpus[-1]["level"] in {"fault", "warning"}  # a warning while a node may still be added


async def test_a_missing_pipeline_names_those_that_exist(speech: Service) -> None:
    ran = kubectl_speech(speech, "status", "other")

    assert ran.returncode == 3
    assert f"no pipeline other in namespace {speech.namespace}; it has" in ran.stderr
