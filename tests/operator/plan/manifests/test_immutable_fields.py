"""Fields of existing objects that a manifest adopts instead of changing them."""

from typing import Any

import pytest

import goldens
from speechoperator.plan.manifests.immutable_fields import adopt_immutable_fields
from speechoperator.settings import OPERATOR, SCALER

pytestmark = pytest.mark.unit

Raw = dict[str, Any]


def pvc_with(size: str, phase: str = "Pending", **spec: Any) -> Raw:
    desired = {**spec, "resources": {"requests": {"storage": size}}}
    return {"kind": "PersistentVolumeClaim", "spec": desired, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("desired", "live", "phase", "applied"),
    [
        pytest.param("10Gi", "20Gi", "Bound", "20Gi", id="a PVC never shrinks"),
        pytest.param("1Ti", "20Gi", "Bound", "1Ti", id="it grows"),
        pytest.param("1Ti", "20Gi", "Pending", "20Gi", id="once it is bound"),
    ],
)
def test_the_size_of_a_pvc_is_acceptable(desired: str, live: str, phase: str, applied: str) -> None:
    adopted = adopt_immutable_fields(pvc_with(desired), pvc_with(live, phase))

    assert adopted["spec"]["resources"]["requests"]["storage"] == applied


@pytest.mark.parametrize("desired", [{}, {"storageClassName": "fast"}])
def test_a_retained_pvc_keeps_its_class_and_access_modes(desired: Raw) -> None:
    live = {"accessModes": ["ReadWriteMany"], "storageClassName": "slow"}

    adopted = adopt_immutable_fields(
        pvc_with("1Gi", accessModes=["ReadWriteOnce"], **desired), pvc_with("1Gi", **live, volumeName="pv")
    )

    assert adopted == pvc_with("1Gi", **live)


@pytest.mark.parametrize(("live", "applied"), [({"replicas": 4}, {"replicas": 4}), ({"replicas": 0}, {}), ({}, {})])
def test_an_autoscaled_deployment_keeps_its_replicas(live: Raw, applied: Raw) -> None:
    deployment = {"kind": "Deployment", "metadata": of("bridge"), "spec": {}}

    assert adopt_immutable_fields(deployment, {"kind": "Deployment", "spec": live})["spec"] == applied


def of(component: str) -> Raw:
    return {"labels": {"app.kubernetes.io/component": component}}


@pytest.mark.parametrize(
    ("owners", "applied"),
    [
        pytest.param([OPERATOR], {"replicas": 0}, id="nobody else would keep it"),
        pytest.param([OPERATOR, SCALER], {}, id="the scaler has it"),
        pytest.param([SCALER], {}, id="only the scaler has it"),
        pytest.param(["keda"], {}, id="another autoscaler has it"),
    ],
)
def test_replicas_are_left_out_unless_the_operator_alone_owns_them(owners: list[str], applied: Raw) -> None:
    fields = [{"manager": owner, "fieldsV1": {"f:spec": {"f:replicas": {}}}} for owner in owners]
    live = {"kind": "Deployment", "metadata": {"managedFields": fields}, "spec": {"replicas": 0}}

    adopted = adopt_immutable_fields({"kind": "Deployment", "metadata": of("whisper"), "spec": {}}, live)

    assert adopted["spec"] == applied


def test_any_other_manifest_is_applied_unchanged() -> None:
    for one in goldens.built("full"):
        if one["kind"] != "PersistentVolumeClaim":
            assert adopt_immutable_fields(one, {"spec": {"replicas": 9}}) == one
