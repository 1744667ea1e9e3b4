"""What others left in an object that server-side apply alone cannot revert, and what stays."""

from typing import Any

import pytest

from speechoperator.kube.collisions import patch

pytestmark = pytest.mark.unit

Object = dict[str, Any]

HTTP = {"name": "http", "containerPort": 8080, "protocol": "TCP"}
PROBE = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5}
WANTED: Object = {"name": "bridge", "image": "bridge:2", "ports": [HTTP], "readinessProbe": PROBE}
PROXY: Object = {
    "name": "proxy",
    "image": "proxy:1",
    "ports": [HTTP],
    "readinessProbe": {"exec": {"command": ["true"]}},
}


def service(*ports: Object, **fields: Any) -> Object:
    return {"metadata": {"resourceVersion": "7"}, "spec": {"ports": list(ports), **fields}}


def deployment(*containers: Object, **fields: Any) -> Object:
    return {
        "metadata": {"resourceVersion": "7"},
        "spec": {"template": {"spec": {"containers": list(containers), **fields}}},
    }


def pod_of(found: Object | None) -> Object:
    """What a patch changes in the pods, and nothing else."""
    assert found
    assert found["spec"].keys() == {"template"}
    assert found["spec"]["template"].keys() == {"spec"}
    pod: Object = found["spec"]["template"]["spec"]
    return pod


def test_a_port_that_was_given_another_number_is_replaced_in_the_version_that_was_seen() -> None:
    ours, edited = {"name": "http", "port": 8080}, {"name": "http", "port": 1}
    other = {"name": "metrics", "port": 9090}

    found = patch(service(edited, other, sessionAffinity="ClientIP"), service(ours))

    assert found
    assert found["metadata"] == {"resourceVersion": "7"}
    assert found["spec"].keys() == {"ports"}
    assert sorted(found["spec"]["ports"], key=lambda one: one["port"]) == [ours, other]


def test_a_container_of_others_stays_as_it_is() -> None:
    edited = {**WANTED, "image": "edited:1", "ports": [{**HTTP, "containerPort": 1}], "tty": True}

    found = patch(deployment(edited, PROXY, hostNetwork=True), deployment(WANTED))

    assert pod_of(found) == {"containers": [{**WANTED, "tty": True}, PROXY]}


@pytest.mark.parametrize(
    "edited",
    [
        {"readinessProbe": {**PROBE, "exec": {"command": ["true"]}}},
        {"env": [{"name": "A", "value": "a", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]},
    ],
    ids=["a second handler of a probe", "a second source of a variable"],
)
def test_an_alternative_is_removed(edited: Object) -> None:
    wanted = {**WANTED, "env": [{"name": "A", "value": "a"}]}

    assert pod_of(patch(deployment({**wanted, **edited}, PROXY), deployment(wanted))) == {"containers": [wanted, PROXY]}


def test_a_second_source_of_a_volume_is_removed_and_volumes_of_others_stay() -> None:
    ours, other = {"name": "tmp", "emptyDir": {}}, {"name": "certificates", "secret": {"secretName": "tls"}}
    edited = {**ours, "hostPath": {"path": "/tmp"}}  # noqa: S108 - a path of a node, nothing is written

    found = patch(deployment(WANTED, volumes=[edited, other]), deployment(WANTED, volumes=[ours]))

    assert pod_of(found) == {"volumes": [ours, other]}


@pytest.mark.parametrize(
    "live",
    [
        deployment(WANTED, PROXY),
        deployment({**WANTED, "image": "edited:1"}, PROXY, volumes=[{"name": "certificates", "emptyDir": {}}]),
        deployment({**WANTED, "ports": [HTTP, {"name": "more", "containerPort": 1}]}),
    ],
    ids=["nothing differs", "another value", "a port of others"],
)
def test_what_collides_with_nothing_needs_no_patch(live: Object) -> None:
    assert patch(live, deployment(WANTED)) is None
