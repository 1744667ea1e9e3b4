"""Refused writes are reported in the words of the API server, with who can fix them."""

from dataclasses import replace

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.planned_cluster import PlannedCluster, converged, verdict
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import NAME_CONFLICT, WriteFailure

pytestmark = pytest.mark.unit

DENIED = (
    'deployments.apps "calls-bridge" is forbidden: User "system:serviceaccount:speech:operator" cannot patch '
    'resource "deployments" in API group "apps" in the namespace "team"'
)


def refused(code: int, message: str, kind: str = "Deployment", verb: str = "patch") -> PlannedCluster:
    found = converged()
    found.objects[Ref(kind, "calls-bridge")]["metadata"]["labels"].clear()
    found.failures = (WriteFailure(Ref(kind, "calls-bridge"), verb, code, message),)
    return found


def test_a_missing_permission_is_reported_with_the_rbac_rule() -> None:
    plan = refused(403, DENIED).plan()

    message = (
        "Deployment calls-bridge: the operator is not allowed to patch deployments in namespace team. "
        'Add to the operator\'s role: apiGroups ["apps"], resources ["deployments"], verbs ["patch"]'
    )
    assert verdict(plan, "Ready") == ("False", "Forbidden", message)
    assert verdict(plan, "Progressing") == ("False", "Forbidden", message)
    assert verdict(plan, "BridgeAvailable")[0] == "True", "it keeps serving"
    assert [event.reason for event in plan.events] == ["Forbidden"]


def test_a_refused_write_that_is_no_longer_needed_is_not_reported() -> None:
    repaired = converged()
    repaired.failures = (WriteFailure(Ref("Deployment", "calls-bridge"), "patch", 403, DENIED),)

    assert verdict(repaired.plan(), "Ready")[0] == "True"


def test_a_missing_permission_to_read_is_reported() -> None:
    blind = converged()
    message = 'services is forbidden: User "x" cannot list resource "services" in API group "" at the cluster scope'
    blind.failures = (WriteFailure(Ref("Service", ""), "list", 403, message),)

    assert verdict(blind.plan(), "Ready")[1] == "Forbidden"
    assert "the operator is not allowed to list services" in verdict(blind.plan(), "Ready")[2]


def test_an_exceeded_quota_on_objects_is_reported() -> None:
    words = 'persistentvolumeclaims "calls-ollama" is forbidden: exceeded quota: q, requested: requests.storage=50Gi'
    plan = refused(403, words, "Service", "create").plan()

    assert verdict(plan, "Ready")[:2] == ("False", "QuotaExceeded")


def test_an_object_of_another_owner_with_the_same_name_is_reported() -> None:
    words = "another object of this name exists"
    taken = refused(409, words)
    taken.failures = (replace(taken.failures[0], reason=NAME_CONFLICT),)

    advice = "Delete that object, or give the pipeline another name"
    message = f"Deployment calls-bridge: {words}. {advice}"
    assert verdict(taken.plan(), "Ready") == ("False", "NameConflict", message)


def test_a_pvc_of_another_owner_is_not_to_be_deleted() -> None:
    words = "an object of this name exists that this pipeline did not create"
    taken = converged()
    ref = Ref("PersistentVolumeClaim", "calls-ollama")
    del taken.objects[ref]
    taken.failures = (WriteFailure(ref, "create", 409, words, NAME_CONFLICT),)

    advice = "Set cache.existingClaim to use it, or give the pipeline another name"
    message = f"PersistentVolumeClaim calls-ollama: {words}. {advice}"
    assert verdict(taken.plan(), "Ready") == ("False", "NameConflict", message)


def test_an_owner_that_may_only_be_removed_with_permission_to_delete_is_reported() -> None:
    """By the admission plugin OwnerReferencesPermissionEnforcement."""
    words = (
        'persistentvolumeclaims "calls-ollama" is forbidden: '
        "cannot set an ownerRef on a resource you can't delete: , <nil>"
    )
    owned = converged(of_ollama(cache={"whenDeleted": "Delete"}))
    owned.edit(pipeline(of_ollama(cache={"existingClaim": "mine"}))["spec"])
    owned.failures = (WriteFailure(Ref("PersistentVolumeClaim", "calls-ollama"), "patch", 403, words),)

    rule = 'apiGroups [""], resources ["persistentvolumeclaims"], verbs ["delete"]'
    message = f"PersistentVolumeClaim calls-ollama: {words}. Add to the operator's role: {rule}"
    assert verdict(owned.plan(), "Ready") == ("False", "Forbidden", message)


def test_a_rejected_object_is_reported() -> None:
    words = 'Deployment.apps "calls-bridge" is invalid: spec.template.spec.affinity: Invalid value'
    plan = refused(422, words).plan()

    assert verdict(plan, "Ready")[:2] == ("False", "WriteRejected")
    assert words in verdict(plan, "Ready")[2]


@pytest.mark.parametrize(
    ("code", "message"), [(0, ""), (409, "conflict"), (429, "too many"), (503, "etcd"), (500, "failed calling webhook")]
)
def test_transient_failures_are_retried(code: int, message: str) -> None:
    plan = refused(code, message).plan()

    assert verdict(plan, "Ready")[0] == "True"
    assert verdict(plan, "Progressing")[:2] == ("True", "Retrying")
    assert not plan.events
