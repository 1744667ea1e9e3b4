"""PVCs that are not bound."""

import pytest

from fakes.planned_cluster import PlannedCluster, verdict
from fakes.pod_statuses import cluster_with, unscheduled

pytestmark = pytest.mark.unit

UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"


def with_pending_pvc() -> PlannedCluster:
    found = cluster_with(unscheduled(UNBOUND))
    found.object("PersistentVolumeClaim", "calls-whisper")["status"] = {"phase": "Pending"}
    return found


def test_the_warning_of_the_provisioner_is_reported() -> None:
    broken = with_pending_pvc()
    broken.pvc_warnings["calls-whisper"] = 'storageclass.storage.k8s.io "fast" not found'

    status, reason, message = verdict(broken.plan(), "WhisperAvailable")

    assert (status, reason) == ("False", "PVCNotBound")
    assert message == '0 of 1 ready; PVC calls-whisper: storageclass.storage.k8s.io "fast" not found'


def test_a_missing_default_storage_class_is_reported_with_advice() -> None:
    broken = with_pending_pvc()
    del broken.object("PersistentVolumeClaim", "calls-whisper")["spec"]["storageClassName"]
    broken.pvc_warnings["calls-whisper"] = "no persistent volumes available for this claim and no storage class is set"

    message = verdict(broken.plan(), "WhisperAvailable")[2]

    assert "no storage class is set. The cluster has no default StorageClass: set whisper.cache" in message


def test_a_provisioner_gets_a_moment() -> None:
    binding = with_pending_pvc()

    soon = binding.plan()
    assert (verdict(soon, "WhisperAvailable")[1], soon.requeue_after) == ("Starting", 60)

    binding.later(60)
    assert verdict(binding.plan(), "WhisperAvailable")[1] == "PVCNotBound"


def test_a_lost_volume_is_reported() -> None:
    broken = cluster_with(unscheduled("x"))
    broken.object("PersistentVolumeClaim", "calls-whisper")["status"] = {"phase": "Lost"}

    assert verdict(broken.plan(), "WhisperAvailable")[1] == "PVCNotBound"
