"""PVCs and models."""

from typing import Any

import pytest

from cli.doctor.cases import Object, event, facts, pod, refused, the, wrong
from speechcli.doctor.checks import models, storage
from speechcli.doctor.facts import VolumeUse
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit

GIB = 2**30


def pvc(name: str = "calls-ollama", phase: str = "Bound") -> Object:
    return {
        "metadata": {"name": name, "labels": {"app.kubernetes.io/component": "ollama"}},
        "status": {"phase": phase},
    }


MOUNTING = pod("calls-ollama-1", "ollama", claim="calls-ollama")


def test_a_bound_pvc_with_space_is_fine() -> None:
    used = {"calls-ollama": VolumeUse(2 * GIB, 10 * GIB)}

    found = list(storage.check(facts(pods=[MOUNTING], pvcs=[pvc()], volumes=used)))

    assert [one.message for one in found] == ["PVC calls-ollama: 2.0 of 10.0 GiB used"]


def test_a_nearly_full_pvc_is_a_warning_that_names_the_field() -> None:
    used = {"calls-ollama": VolumeUse(95 * GIB, 100 * GIB)}

    found = the(storage.check(facts(pods=[MOUNTING], pvcs=[pvc()], volumes=used)), Level.WARNING)

    assert "spec.ollama.cache.size" in found.fix


def test_a_pending_pvc_has_the_provisioners_words() -> None:
    said = [event("PersistentVolumeClaim", "calls-ollama", "ProvisioningFailed", "storageclass fast not found")]

    found = the(storage.check(facts(pods=[MOUNTING], pvcs=[pvc(phase="Pending")], events=said)), Level.FAULT)

    assert "is Pending: ProvisioningFailed: storageclass fast not found" in found.message


def test_a_missing_pvc_is_a_fault() -> None:
    assert "does not exist" in the(storage.check(facts(pods=[MOUNTING], pvcs=[])), Level.FAULT).message


def test_a_kubelet_that_does_not_say_leaves_the_space_unchecked() -> None:
    assert the(storage.check(facts(pods=[MOUNTING], pvcs=[pvc()])), Level.UNCHECKED)


@pytest.mark.parametrize("pods", [refused("pods"), []])
def test_without_pods_their_pvcs_are_not_checked(pods: Any) -> None:
    assert the(storage.check(facts(pods=pods)), Level.UNCHECKED)


def test_the_pvc_of_the_spec_is_checked_without_pods() -> None:
    spec = {"ollama": {"cache": {"existingClaim": "models"}}}

    assert "PVC models does not exist" in the(storage.check(facts(spec=spec, pods=[])), Level.FAULT).message


def test_models_on_the_nodes_need_no_pvc() -> None:
    spec = {"whisper": {"cache": {"nodePath": "/models"}}}

    assert "on the nodes" in the(storage.check(facts(spec=spec, pods=[pod()])), Level.OK).message


def test_a_failed_pull_has_ollamas_words() -> None:
    failed = {"name": "llama3", "stage": "Failed", "message": "pull model manifest: file does not exist"}

    assert "file does not exist" in the(models.check(facts(status={"models": [failed]})), Level.FAULT).message


def test_a_pull_in_progress_has_its_progress() -> None:
    pulling = {"name": "llama3", "stage": "Pulling", "completedBytes": 1_000_000, "totalBytes": 4_000_000}

    assert "25 %" in the(models.check(facts(status={"models": [pulling]})), Level.WARNING).message


def test_a_model_partly_on_the_cpu_is_a_warning() -> None:
    model = {"name": "llama3", "stage": "Ready", "memoryBytes": 10 * GIB, "gpuBytes": 6 * GIB}

    assert "only 60 %" in the(models.check(facts(status={"models": [model]})), Level.WARNING).message


def test_a_model_on_the_gpu_is_fine() -> None:
    model = {"name": "llama3", "stage": "Ready", "memoryBytes": GIB, "gpuBytes": GIB}

    assert wrong(models.check(facts(status={"models": [model]}))) == []
