"""Whether the Ingress has a controller, an address, and timeouts that do not cut requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.checks.controllers import class_name, controller, timeouts
from speechcli.doctor.facts import name
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "ingress"
LOAD_BALANCER = "LoadBalancer"


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the Ingress of the bridge."""
    bridge = facts.spec.get("bridge") or {}
    if not facts.ingress_spec:
        yield from _without(facts, bridge)
        return
    if facts.ingresses.refused:
        yield unchecked(AREA, facts.ingresses.refused)
        return
    if not facts.ingresses.items:
        yield fault(AREA, "the Ingress does not exist", f"kubectl -n {facts.namespace} describe sp {facts.name}")
        return
    for ingress in facts.ingresses.items:
        yield from _class(facts, ingress)
        yield _address(facts, ingress)
        yield from timeouts(facts, ingress)


def _without(facts: Facts, bridge: Json) -> Iterator[Verdict]:
    kind = (bridge.get("service") or {}).get("type", "")
    if kind == LOAD_BALANCER:
        yield _load_balancer(facts)
    if bridge.get("gateway"):
        yield ok(AREA, "no Ingress is configured: the bridge is reached by a Gateway")
    elif kind == "NodePort":
        yield ok(AREA, "no Ingress is configured: the bridge is reached by a port of the nodes")
    elif kind != LOAD_BALANCER:
        exposed = "only inside the cluster, and by `kubectl speech ask`"
        yield ok(AREA, f"no Ingress is configured: the bridge is reached {exposed}")


def _load_balancer(facts: Facts) -> Verdict:
    if facts.services.refused:
        return unchecked(AREA, f"the address of the load balancer: {facts.services.refused}")
    balancers = [one for one in facts.services.items if (one.get("spec") or {}).get("type") == LOAD_BALANCER]
    published = [address for one in balancers for address in addresses(one)]
    if published:
        return ok(AREA, f"the load balancer has the address {', '.join(published)}")
    return warning(
        AREA,
        "the Service of the bridge has no address: the cluster gives it no load balancer",
        f"kubectl -n {facts.namespace} describe service {facts.name}-bridge",
    )


def addresses(ingress: Json) -> list[str]:
    """Return the addresses that the controller of an Ingress or Service has published: IP addresses and host names."""
    published = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [one.get("ip") or one.get("hostname", "") for one in published]


def _class(facts: Facts, ingress: Json) -> Iterator[Verdict]:
    if facts.ingress_classes.refused:
        yield unchecked(AREA, f"its class: {facts.ingress_classes.refused}")
        return
    wanted = class_name(ingress)
    there = ", ".join(name(one) for one in facts.ingress_classes.items) or "none"
    if controller(facts, ingress):
        yield ok(AREA, f"IngressClass {wanted or 'of the cluster'}: {controller(facts, ingress)}")
    elif wanted:
        yield fault(
            AREA,
            f"IngressClass {wanted} does not exist; the cluster has {there}",
            "set spec.bridge.ingress.className to one of them, or install its controller",
        )
    else:
        yield warning(
            AREA,
            f"the spec names no IngressClass, and the cluster has no default; it has {there}",
            "set spec.bridge.ingress.className",
        )


def _address(facts: Facts, ingress: Json) -> Verdict:
    published = addresses(ingress)
    if published:
        return ok(AREA, f"{name(ingress)} has the address {', '.join(published)}")
    return warning(
        AREA,
        f"{name(ingress)} has no address: its controller does not run, or publishes none",
        f"kubectl -n {facts.namespace} describe ingress {name(ingress)}; kubectl get pods --all-namespaces",
    )
