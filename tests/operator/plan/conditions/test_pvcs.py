"""PVCs that are not bound."""

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.planned_cluster import PlannedCluster, converged, verdict
from fakes.pod_statuses import cluster_with, unscheduled
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import WriteFailure

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


def test_a_size_that_was_taken_back_before_the_pvc_was_bound_is_reported_with_advice() -> None:
    """The API server lets only bound PVCs change."""
    broken = with_pending_pvc()
    broken.object("PersistentVolumeClaim", "calls-whisper")["spec"]["resources"] = {"requests": {"storage": "500Gi"}}
    broken.pvc_warnings["calls-whisper"] = "the volume is too large"

    plan = broken.plan()

    advice = "Its size stays 500Gi until it is bound. Delete the PVC: it is recreated with 10Gi"
    assert verdict(plan, "WhisperAvailable")[2] == f"0 of 1 ready; PVC calls-whisper: the volume is too large. {advice}"
    assert not plan.apply


class TestTakenBack:
    REFUSED = WriteFailure(
        Ref("PersistentVolumeClaim", "calls-ollama"), "patch", 403, "only dynamically provisioned pvc can be resized"
    )

    def test_a_size_that_the_cluster_refuses_can_be_taken_back(self) -> None:
        found = converged()
        before = found.raw["spec"]
        found.edit(pipeline(of_ollama(cache={"size": "500Gi"}))["spec"])
        found.failures = (self.REFUSED,)
        assert verdict(found.plan(), "Ready")[0] == "False"

        found.edit(before)
        plan = found.plan()

        assert not plan.apply
        assert (verdict(plan, "Ready")[0], verdict(plan, "OllamaAvailable")[2]) == ("True", "1 of 1 ready")

    def test_one_that_was_granted_stays_and_is_reported(self) -> None:
        found = converged(of_ollama(cache={"size": "500Gi"}))

        found.edit(pipeline(of_ollama(cache={"size": "60Gi"}))["spec"])
        plan = found.run()

        assert not plan.apply
        message = "1 of 1 ready; PVC calls-ollama keeps 500Gi: it cannot shrink to 60Gi"
        assert (verdict(plan, "Ready")[0], verdict(plan, "OllamaAvailable")[2]) == ("True", message)


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
