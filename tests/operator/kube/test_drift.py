"""What counts as a difference between a manifest and a live object, and what does not."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

import goldens
from speechoperator.kube.drift import APPLIED, desired_hash, differs, stamped

pytestmark = pytest.mark.unit

Object = dict[str, Any]
Path = tuple[str | int, ...]

OBJECTS = [one for case in ("full", "replicas", "autoscaled", "external") for one in goldens.built(case)]


def named(one: Object) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def deployment(**pod: Any) -> Object:
    return {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": {"spec": pod}}}


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all values that are no maps or lists, and of the empty ones that are."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def test_what_is_there_as_wanted_does_not_differ() -> None:
    for one in OBJECTS:
        assert differs(one, stamped(one)) is None
        assert differs(stamped(one), copy.deepcopy(stamped(one))) is None


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_each_wanted_value_that_is_another_is_a_difference(one: Object) -> None:
    for path in leaves(one):
        live = copy.deepcopy(stamped(one))
        at(live, path[:-1])[path[-1]] = "something else"
        assert differs(one, live), path


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_each_wanted_value_that_is_gone_is_a_difference(one: Object) -> None:
    for path in leaves(one):
        live = copy.deepcopy(stamped(one))
        del at(live, path[:-1])[path[-1]]
        nothing = at(one, path) in ("", {}) and path[-1] not in {"emptyDir", "labelSelector"}
        assert bool(differs(one, live)) is not nothing, path


@pytest.mark.parametrize("one", OBJECTS, ids=named)
def test_what_others_added_is_none(one: Object) -> None:
    live = copy.deepcopy(stamped(one))
    live["status"] = {"observedGeneration": 1}
    live["metadata"] |= {"resourceVersion": "7", "managedFields": [{"manager": "somebody"}]}
    live["metadata"]["annotations"]["theirs"] = "x"
    live["metadata"]["labels"]["theirs"] = "x"
    if one["kind"] == "ConfigMap":
        live["data"]["theirs"] = "x"
    if one["kind"] == "Deployment":
        pod = live["spec"]["template"]["spec"]
        pod["containers"] = [{"name": "sidecar"}, *pod["containers"]]
        pod["volumes"] = [{"name": "theirs"}, *reversed(pod["volumes"])]
        pod["containers"][1].setdefault("env", []).insert(0, {"name": "THEIRS", "value": "x"})
        pod["containers"][1]["volumeMounts"].reverse()
        pod["dnsPolicy"] = "ClusterFirst"

    assert differs(one, live) is None


def test_a_field_that_left_the_manifest_is_a_difference_though_all_others_match() -> None:
    before = deployment(hostname="a", subdomain="b")
    now = deployment(hostname="a")

    reason = "the manifest differs from the one that was applied last"

    assert differs(now, stamped(before)) == reason
    assert differs(stamped(now), stamped(before)) == reason


def test_an_object_that_was_never_applied_by_us_is_different() -> None:
    one = deployment(hostname="a")

    assert differs(one, one) == f"metadata.annotations[{APPLIED}] is missing"


@pytest.mark.parametrize(
    ("want", "have", "reason"),
    [
        ({"hostname": "a"}, {"hostname": "b"}, 'hostname is "b", wanted "a"'),
        ({"hostname": "a"}, {}, "hostname is missing"),
        ({"enableServiceLinks": False}, {}, "enableServiceLinks is missing"),
        ({"hostname": "a"}, {"hostname": None}, "hostname is missing"),
        ({"containers": [{"name": "a"}]}, {"containers": [{"name": "b"}]}, "containers[a] is missing"),
        (
            {"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]},
            {"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "UDP"}]}]},
            "containers[a].ports[1] is missing",
        ),
        ({"nodeSelector": {"a/b": "x"}}, {"nodeSelector": {"a/b": "y"}}, 'nodeSelector[a/b] is "y", wanted "x"'),
        ({"nodeSelector": {"a": "x"}}, {"nodeSelector": {"a": "x", "b": "y"}}, "nodeSelector.b is set, and not wanted"),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "a"}, {"key": "b"}]}, "tolerations is"),
        ({"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}, 'tolerations[0].key is "b", wanted "a"'),
        ({"volumes": [{"name": "a", "emptyDir": {}}]}, {"volumes": [{"name": "a"}]}, "volumes[a].emptyDir is missing"),
        ({"hostname": "a" * 200}, {"hostname": "b" * 200}, "b..., wanted"),
        ({"hostname": "a"}, {"hostname": {"a": "b"}}, 'hostname is {"a": "b"}, wanted "a"'),
        ({"resources": {"limits": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "x"}}}, 'cpu is "x", wanted "1"'),
        ({"resources": {"limits": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "1m"}}}, 'cpu is "1m", wanted "1"'),
    ],
)
def test_the_reason_says_where_and_what(want: Object, have: Object, reason: str) -> None:
    assert reason in str(differs(deployment(**want), deployment(**have)))


def test_no_reason_tells_a_secret() -> None:
    def with_token(*variables: Object) -> Object:
        return deployment(containers=[{"name": "a", "env": list(variables)}])

    wanted = with_token({"name": "TOKEN", "value": "secret"})

    for there in ([], [{"name": "TOKEN"}], [{"name": "TOKEN", "value": "secret-2"}], [{"name": "TOKEN", "value": ""}]):
        reason = differs(wanted, with_token(*there))
        assert reason
        assert "secret" not in reason
        assert "TOKEN" in reason


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", "1000m"), (1, "1"), ("0.5", "500m"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("0", 0), ("1536Mi", "1.5Gi")],
)
def test_quantities_are_compared_by_what_they_stand_for(one: Any, other: Any) -> None:
    def pod(amount: Any) -> Object:
        resources = {"requests": {"cpu": amount}, "limits": {"cpu": amount}}
        disk = {"name": "tmp", "emptyDir": {"sizeLimit": amount}}
        return deployment(containers=[{"name": "a", "resources": resources}], volumes=[disk])

    assert differs(pod(one), {**pod(other), "metadata": stamped(pod(one))["metadata"]}) is None


@pytest.mark.parametrize("nothing", [None, "", {}, []])
def test_nothing_is_not_missed(nothing: Any) -> None:
    one = deployment(hostname="a", nodeSelector=nothing)

    live = copy.deepcopy(stamped(one))
    del live["spec"]["template"]["spec"]["nodeSelector"]

    assert differs(one, live) is None


def test_the_hash_is_that_of_what_is_wanted_in_any_order() -> None:
    one = OBJECTS[0]
    turned = json.loads(json.dumps(one), object_pairs_hook=lambda pairs: dict(reversed(pairs)))

    assert desired_hash(one) == desired_hash(turned)
    assert desired_hash(stamped(one)) == desired_hash(one)
    assert stamped(stamped(one)) == stamped(one)
    assert desired_hash(one) != desired_hash({**one, "kind": "Other"})


def test_stamping_keeps_the_object_and_its_annotations() -> None:
    one = {"kind": "Ingress", "metadata": {"name": "i", "annotations": {"a": "b"}}}

    assert stamped(one)["metadata"]["annotations"] == {"a": "b", APPLIED: desired_hash(one)}
    assert one["metadata"]["annotations"] == {"a": "b"}


@pytest.mark.parametrize(
    ("wanted", "live", "differ"),
    [
        ({"hostNetwork": False}, {}, False),
        ({"hostNetwork": False}, {"hostNetwork": True}, True),
        ({"automountServiceAccountToken": False}, {}, True),
        (
            {"containers": [{"name": "a", "readinessProbe": {"initialDelaySeconds": 0}}]},
            {"containers": [{"name": "a", "readinessProbe": {}}]},
            False,
        ),
        (
            {"containers": [{"name": "a", "ports": [{"containerPort": 1}]}]},
            {"containers": [{"name": "a", "ports": [{"containerPort": 1, "protocol": "TCP"}]}]},
            False,
        ),
    ],
)
def test_defaults_that_the_server_drops_or_adds_are_no_drift(wanted: Object, live: Object, *, differ: bool) -> None:
    """A podTemplate contains what users write, not what the API server returns."""
    found = stamped(deployment(**wanted))
    returned = {**found, "spec": deployment(**live)["spec"]}

    assert bool(differs(found, returned)) is differ
