"""Who owns the number of replicas."""

import json

import pytest

from speechoperator.api.names import REPLICAS
from speechoperator.kube import managed_fields
from speechoperator.watch.store import Store

pytestmark = pytest.mark.unit

OPERATOR = {
    "manager": "speechpipeline-operator",
    "operation": "Apply",
    "time": "2026-11-23T12:00:00Z",
    "fieldsV1": {"f:metadata": {"f:labels": {}}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {}}}},
}
KEDA = {
    "manager": "keda",
    "operation": "Update",
    "subresource": "scale",
    "time": "2026-11-23T12:01:00Z",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}
KUBELET = {"manager": "kube-controller-manager", "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}}


def thing(kind: str, *entries: object) -> dict[str, object]:
    labels = {"speechpipeline.dev/pipeline": "calls"}
    metadata = {"name": "x", "namespace": "team", "uid": "u", "resourceVersion": "5", "labels": labels}
    return {"kind": kind, "metadata": {**metadata, "managedFields": list(entries)}, "spec": {"replicas": 2}}


def test_the_owners_are_named_the_latest_first() -> None:
    found = thing("Deployment", OPERATOR, KEDA, KUBELET)
    assert managed_fields.owners_of(found, REPLICAS) == ("keda (subresource scale)", "speechpipeline-operator")
    assert managed_fields.owners_of(thing("Deployment", KUBELET), REPLICAS) == ()


def test_the_store_keeps_of_the_managed_fields_only_who_owns_the_replicas_of_a_deployment() -> None:
    store = Store()
    (key,) = store.put(thing("Deployment", OPERATOR, KEDA, KUBELET))
    store.put(thing("Service", OPERATOR))
    deployment, service = (one for _, one in sorted(store.objects(key).items()))
    assert managed_fields.owners_of(deployment, REPLICAS) == ("keda (subresource scale)", "speechpipeline-operator")
    assert "template" not in json.dumps(deployment)
    assert "managedFields" not in service["metadata"]
