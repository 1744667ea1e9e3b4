"""Merging a patch over a manifest."""

import copy
from typing import Any

import pytest

from speechoperator.kube.merge import merge, shape_errors

pytestmark = pytest.mark.unit

BASE: dict[str, Any] = {
    "spec": {
        "securityContext": {"runAsUser": 10001, "runAsNonRoot": True},
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a"}],
        "containers": [
            {
                "name": "main",
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}],
                "readinessProbe": {"httpGet": {"path": "/"}, "periodSeconds": 5},
                "volumeMounts": [{"name": "tmp", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "cache", "persistentVolumeClaim": {"claimName": "c"}}],
    }
}


def merged(**spec: Any) -> Any:
    return merge(BASE, {"spec": spec})["spec"]


def of_container(**fields: Any) -> Any:
    [main] = merged(containers=[{"name": "main", **fields}])["containers"]
    return main


def test_an_empty_patch_changes_nothing_and_no_patch_changes_the_manifest() -> None:
    before = copy.deepcopy(BASE)

    assert merge(BASE, {}) == BASE
    merged(containers=[{"name": "main", "env": [{"name": "A", "value": "9"}]}], nodeSelector=None)
    assert before == BASE


def test_objects_are_merged_by_field() -> None:
    assert merged(securityContext={"fsGroup": 1})["securityContext"] == {
        "runAsUser": 10001,
        "runAsNonRoot": True,
        "fsGroup": 1,
    }


@pytest.mark.parametrize("removed", [None, {"$patch": "delete"}])
def test_a_null_or_a_directive_removes_a_field(removed: Any) -> None:
    assert merged(securityContext={"runAsUser": removed})["securityContext"] == {"runAsNonRoot": True}
    assert "volumes" not in merged(volumes=removed)


def test_nulls_and_directives_reach_no_manifest() -> None:
    """The API server would drop a null, and reject a directive."""
    found = merged(affinity={"podAffinity": None, "nodeAffinity": {"x": {"$patch": "replace", "y": 1, "z": None}}})

    assert found["affinity"] == {"nodeAffinity": {"x": {"y": 1}}}


def test_an_object_can_be_replaced() -> None:
    assert merged(securityContext={"$patch": "replace", "fsGroup": 1})["securityContext"] == {"fsGroup": 1}


def test_lists_with_merge_keys_are_merged_and_keep_their_order() -> None:
    main = of_container(env=[{"name": "C", "value": "3"}, {"name": "A", "value": "9"}])

    assert main["env"] == [{"name": "A", "value": "9"}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]
    assert main["volumeMounts"] == [{"name": "tmp", "mountPath": "/data"}]


def test_an_item_can_be_removed() -> None:
    main = of_container(env=[{"name": "A", "$patch": "delete"}, {"name": "none", "$patch": "delete"}])

    assert main["env"] == [{"name": "B", "value": "2"}]


def test_a_port_without_a_protocol_is_the_one_with_tcp() -> None:
    assert of_container(ports=[{"containerPort": 80, "name": "web"}])["ports"] == [
        {"containerPort": 80, "protocol": "TCP", "name": "web"}
    ]


def test_atomic_lists_and_maps_are_replaced() -> None:
    found = merged(tolerations=[{"key": "b"}], nodeSelector={"c": "d"})

    assert found["tolerations"] == [{"key": "b"}]
    assert found["nodeSelector"] == {"c": "d"}


def test_of_alternatives_the_one_in_the_patch_remains() -> None:
    main = of_container(
        env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}], readinessProbe={"exec": {"command": ["a"]}}
    )

    assert main["env"][0] == {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}
    assert main["readinessProbe"] == {"exec": {"command": ["a"]}, "periodSeconds": 5}


def test_a_volume_has_one_source() -> None:
    volumes = merged(volumes=[{"name": "cache", "hostPath": {"path": "/m"}}, {"name": "tmp", "emptyDir": {"a": "b"}}])

    assert volumes["volumes"] == [
        {"name": "tmp", "emptyDir": {"a": "b"}},
        {"name": "cache", "hostPath": {"path": "/m"}},
    ]


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ({"containers": {"main": {}}}, "containers: must be a list"),
        ({"containers": ["main"]}, "containers[0]: must be an object"),
        ({"volumes": [{"emptyDir": {}}]}, "volumes[0].name: is required"),
        (
            {"containers": [{"name": "a", "ports": [{"name": "x"}]}]},
            "containers[0].ports[0].containerPort: is required",
        ),
        ({"securityContext": 5}, "securityContext: must be an object"),
        ({"containers": [{"name": "a", "resources": []}]}, "containers[0].resources: must be an object"),
        ({"affinity": {"$patch": "merge"}}, "affinity.$patch: must be delete or replace"),
    ],
)
def test_what_cannot_be_merged_is_named_with_its_path(spec: Any, error: str) -> None:
    assert list(shape_errors(spec, "", "spec")) == [error]


@pytest.mark.parametrize(
    "spec",
    [{}, {"volumes": None}, {"volumes": {"$patch": "delete"}}, {"volumes": [{"name": "a"}], "other": [1, {"x": None}]}],
)
def test_what_can_be_merged_has_no_error(spec: Any) -> None:
    assert list(shape_errors(spec, "", "spec")) == []
