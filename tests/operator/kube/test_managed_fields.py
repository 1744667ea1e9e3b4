"""Who wrote a field, by its managed fields."""

from typing import Any

import pytest

from speechoperator.kube.managed_fields import writer_of

pytestmark = pytest.mark.unit

OWN = "speechpipeline-operator"
IMAGE = {"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"whisper"}': {"f:image": {}}}}}}}
REPLICAS = {"f:spec": {"f:replicas": {}}}


def entry(manager: str, fields: dict[str, Any], time: str = "2026-11-23T12:00:00Z", **more: str) -> dict[str, Any]:
    return {"manager": manager, "fieldsV1": fields, "time": time, **more}


@pytest.mark.parametrize(
    ("entries", "path", "writer"),
    [
        ([entry("kubectl-edit", REPLICAS)], "spec.replicas", "kubectl-edit"),
        ([entry("hpa", REPLICAS, subresource="scale")], "spec.replicas", "hpa (subresource scale)"),
        ([entry(OWN, REPLICAS)], "spec.replicas", ""),
        ([entry("kubectl", IMAGE)], "spec.replicas", ""),
        ([entry("kubectl", IMAGE)], "spec.template.spec.containers[whisper].image", "kubectl"),
        ([entry("a", IMAGE), entry("b", REPLICAS)], "spec.template.spec.containers[whisper].image", "a"),
        ([entry("new", REPLICAS, "2026-11-23T13:00:00Z"), entry("old", REPLICAS)], "spec.replicas", "new"),
        ([entry("a", {"f:metadata": {"f:labels": {"f:x.io/y": {}}}})], "metadata.labels[x.io/y]", "a"),
        ([entry("a", REPLICAS)], "missing", ""),
        ([], "spec.replicas", ""),
    ],
)
def test_the_owner_of_the_field_is_named(entries: list[dict[str, Any]], path: str, writer: str) -> None:
    assert writer_of({"metadata": {"managedFields": entries}}, path, OWN) == writer
