"""The condition Exposed: Ingress and HTTPRoute."""

from typing import Any

import pytest

from cluster.pipelines import of_bridge, pipeline
from fakes.planned_cluster import PlannedCluster, converged, verdict
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import WriteFailure

pytestmark = pytest.mark.unit

GATEWAY = of_bridge(gateway={"host": "a.example", "parentRef": {"name": "gate"}})


def routed(*conditions: tuple[str, str, str]) -> PlannedCluster:
    """A cluster in which a Gateway controller has reported these conditions of the HTTPRoute."""
    found = converged(GATEWAY)
    reported = [
        {"type": kind, "status": status, "reason": reason, "message": "because"} for kind, status, reason in conditions
    ]
    parents = [{"parentRef": {"name": "gate"}, "conditions": reported}] if reported else []
    found.object("HTTPRoute", "calls-bridge")["status"] = {"parents": parents}
    return found


def test_a_missing_ingress_class_is_reported() -> None:
    found = converged(of_bridge(ingress={"host": "a.example", "className": "traefik"}))
    found.ingress_class_missing = "traefik"

    message = "IngressClass traefik does not exist: install its controller, or change bridge.ingress.className"
    assert verdict(found.plan(), "Exposed") == ("False", "IngressClassMissing", message)
    assert verdict(found.plan(), "Ready")[1] == "IngressClassMissing"


def test_a_missing_default_ingress_class_is_advice_and_no_failure() -> None:
    """ingress-nginx, for one, may serve Ingresses without a class."""
    found = converged(of_bridge(ingress={"host": "a.example"}))
    found.ingress_class_missing = ""

    status, reason, message = verdict(found.plan(), "Exposed")
    assert (status, reason) == ("Unknown", "NoDefaultIngressClass")
    assert message.endswith(
        "the cluster has no default IngressClass. If the URL does not respond, set bridge.ingress.className"
    )
    assert verdict(found.plan(), "Ready")[0] == "True"
    assert found.plan().events == ()


@pytest.mark.parametrize("missing", ["", "gce"])
def test_an_ingress_with_an_address_is_exposed_whatever_its_class(missing: str) -> None:
    found = converged(of_bridge(ingress={"host": "a.example", "className": missing or None}))
    found.ingress_class_missing = missing
    found.object("Ingress", "calls-bridge")["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}

    assert verdict(found.plan(), "Exposed") == ("True", "Exposed", "http://a.example")


def test_a_class_may_be_named_by_annotation() -> None:
    """GKE's controller goes by it and has no IngressClass."""
    found = converged(of_bridge(ingress={"host": "a.example", "annotations": {"kubernetes.io/ingress.class": "gce"}}))
    found.ingress_class_missing = ""

    assert verdict(found.plan(), "Exposed")[0] == "True"


def test_an_existing_ingress_exposes_the_bridge() -> None:
    assert verdict(converged(of_bridge(ingress={"host": "a.example"})).plan(), "Exposed")[0] == "True"


def test_without_ingress_and_gateway_there_is_no_condition() -> None:
    assert "Exposed" not in {one["type"] for one in converged().plan().status["conditions"]}


def test_an_accepted_route_exposes_the_bridge() -> None:
    found = routed(("Accepted", "True", "Accepted"), ("ResolvedRefs", "True", "ResolvedRefs"))

    assert verdict(found.plan(), "Exposed") == ("True", "Exposed", "http://a.example")


def test_a_route_that_is_not_accepted_is_reported() -> None:
    found = routed(("Accepted", "False", "NotAllowedByListeners"))

    assert verdict(found.plan(), "Exposed")[1] == "RouteNotAccepted"
    assert "NotAllowedByListeners: because" in verdict(found.plan(), "Exposed")[2]


def test_other_gateways_of_the_route_do_not_count() -> None:
    """Whoever may edit the route, or attach a policy, can have other controllers report on it."""
    found = routed(("Accepted", "True", "Accepted"))
    parents = found.object("HTTPRoute", "calls-bridge")["status"]["parents"]
    refused = [{"type": "Accepted", "status": "False", "reason": "NotAllowed", "message": "no"}]
    for other in (
        {"name": "other"},
        {"name": "gate", "namespace": "other"},
        {"name": "gate", "sectionName": "https"},
    ):
        parents.append({"parentRef": other, "conditions": refused})

    assert verdict(found.plan(), "Exposed")[0] == "True"

    parents.append({"parentRef": {"name": "gate", "namespace": "team"}, "conditions": refused})
    assert verdict(found.plan(), "Exposed")[1] == "RouteNotAccepted"


def test_an_answer_about_an_older_generation_does_not_count() -> None:
    found = routed(("Accepted", "False", "NoMatchingParent"))
    route = found.object("HTTPRoute", "calls-bridge")
    [condition] = route["status"]["parents"][0]["conditions"]
    route["metadata"]["generation"], condition["observedGeneration"] = 3, 2
    assert verdict(found.plan(), "Exposed")[1] == "RolloutInProgress"

    condition["observedGeneration"] = 3
    assert verdict(found.plan(), "Exposed")[1] == "RouteNotAccepted"


REFUSED = (
    "failed to create typed patch object (team/calls-bridge): .spec.rules[0].timeouts: field not declared in schema"
)


def test_a_gateway_api_without_timeouts_gets_a_route_without_them() -> None:
    found = PlannedCluster(pipeline(GATEWAY))
    assert written(found)["spec"]["rules"][0]["timeouts"] == {"request": "0s"}

    found.failures = (WriteFailure(Ref("HTTPRoute", "calls-bridge"), "patch", 400, REFUSED),)
    bare = written(found)
    assert "timeouts" not in bare["spec"]["rules"][0]

    found.failures = ()
    found.objects[Ref("HTTPRoute", "calls-bridge")] = bare
    assert not [one for one in found.plan().apply if one.object["kind"] == "HTTPRoute"], "it stays without"

    found.raw["spec"]["bridge"]["gateway"]["host"] = "b.example"
    assert "timeouts" in written(found)["spec"]["rules"][0], "a changed route tries again: the API may be newer"


def written(cluster: PlannedCluster) -> dict[str, Any]:
    """The HTTPRoute that the plan applies."""
    [route] = [one.object for one in cluster.plan().apply if one.object["kind"] == "HTTPRoute"]
    return dict(route)


def test_a_gateway_without_a_controller_is_reported() -> None:
    found = routed()
    assert (verdict(found.plan(), "Exposed")[1], found.plan().requeue_after) == ("RolloutInProgress", 5)

    found.later(5)
    assert verdict(found.plan(), "Exposed")[1] == "GatewayMissing"


def test_a_cluster_without_the_gateway_api_is_reported() -> None:
    found = converged(GATEWAY)
    ref = Ref("HTTPRoute", "calls-bridge")
    del found.objects[ref]
    found.failures = (WriteFailure(ref, "patch", 404, "the server could not find the requested resource"),)

    assert verdict(found.plan(), "Exposed")[1] == "GatewayMissing"
