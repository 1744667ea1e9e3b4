"""Whether NetworkPolicies are enforced, and whether the ingress controller is admitted."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from speechcli.doctor.checks.controllers import controller, controller_pods
from speechcli.doctor.facts import NAMESPACE_LABEL, labels, name
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "network policy"
ENFORCING = (
    *("calico", "canal", "cilium", "antrea", "kube-router", "weave", "ovnkube", "sdn", "azure-npm", "anetd"),
    "kube-network-policies",
)
"""Beginnings of the names of DaemonSets that enforce NetworkPolicies."""
SOMETIMES = {"aws-node": "with enableNetworkPolicy of the VPC CNI", "kindnet": "since kind 0.24"}
NOT_ENFORCING = ("kube-flannel",)


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the NetworkPolicies of the pipeline."""
    if (facts.spec.get("networkPolicy") or {}).get("enabled") is False:
        yield warning(
            AREA,
            "disabled: every pod of the cluster can use Whisper and Ollama, which ask for no credentials",
            "spec.networkPolicy.enabled: true",
        )
        return
    yield _enforced(facts)
    yield from _admits_ingress(facts)


def _enforced(facts: Facts) -> Verdict:
    if facts.daemon_sets.refused:
        return unchecked(AREA, f"whether they are enforced: {facts.daemon_sets.refused}")
    plugins = [name(one) for one in facts.daemon_sets.items]
    if enforcing := next((one for one in plugins if one.startswith(ENFORCING)), None):
        return ok(AREA, f"{enforcing} enforces NetworkPolicies")
    if sometimes := next((one for one in plugins if one in SOMETIMES), None):
        return unchecked(AREA, f"whether they are enforced: {sometimes} does so {SOMETIMES[sometimes]}")
    if without := next((one for one in plugins if one.startswith(NOT_ENFORCING)), None):
        return warning(
            AREA,
            f"{without} does not enforce NetworkPolicies: every pod can use Whisper and Ollama",
            "install a network plugin that does, such as Cilium or Calico",
        )
    return unchecked(AREA, "whether they are enforced: no network plugin is recognized among the DaemonSets")


def _admits_ingress(facts: Facts) -> Iterator[Verdict]:
    rules = [
        peer
        for policy in facts.network_policies.items
        if name(policy) == f"{facts.name}-bridge"
        for rule in (policy.get("spec") or {}).get("ingress") or ()
        for peer in rule.get("from") or ()
    ]
    if not rules or not facts.ingresses.items:  # without `from` all clients are admitted
        return
    ingress = facts.ingresses.items[0]
    pods = controller_pods(facts, ingress)
    which = controller(facts, ingress) or "the ingress controller"
    if facts.all_pods.refused or facts.namespaces.refused or not pods:
        why = facts.all_pods.refused or facts.namespaces.refused or "its pods are not recognized"
        yield unchecked(AREA, f"whether bridgeFrom admits {which}: {why}", "docs/how-to/restrict-clients.md")
        return
    namespaces = {name(one): labels(one) for one in facts.namespaces.items}
    admitted = [pod for pod in pods if any(admits(peer, pod, namespaces, facts.namespace) for peer in rules)]
    if admitted:
        others = {installation(pod) for pod in pods} - {installation(pod) for pod in admitted}
        but = f", and not its installation in {', '.join(sorted(where for where, _ in others))}" if others else ""
        yield ok(AREA, f"bridgeFrom admits {which}{but}")
        return
    where = pods[0]["metadata"].get("namespace", "")
    yield fault(
        AREA,
        f"spec.networkPolicy.bridgeFrom does not admit {which} (pod {where}/{name(pods[0])}): requests time out",
        f"add to bridgeFrom: - namespaceSelector: {{matchLabels: {{{NAMESPACE_LABEL}: {where}}}}}",
    )


def installation(pod: Json) -> tuple[str, str]:
    """Return what tells the installations of a controller apart: the namespace and the name of the release."""
    return pod["metadata"].get("namespace", ""), labels(pod).get("app.kubernetes.io/instance", "")


def admits(peer: Json, pod: Json, namespaces: Mapping[str, Mapping[str, str]], own: str) -> bool:
    """Return whether a peer of a NetworkPolicy in the namespace `own` admits a pod.

    Args:
        peer: an element of `from`.
        pod: the client.
        namespaces: the labels of the namespaces.
        own: the namespace of the NetworkPolicy.
    """
    if "ipBlock" in peer:
        address = (pod.get("status") or {}).get("podIP", "")
        return bool(address) and _in_block(ipaddress.ip_address(address), peer["ipBlock"])
    namespace = pod["metadata"].get("namespace", "")
    if "namespaceSelector" in peer:
        of_namespace = {NAMESPACE_LABEL: namespace, **namespaces.get(namespace, {})}
        if not selects(peer["namespaceSelector"], of_namespace):
            return False
    elif namespace != own:
        return False
    return selects(peer.get("podSelector") or {}, labels(pod))


def selects(selector: Json, found: Mapping[str, str]) -> bool:
    """Return whether a label selector selects an object with these labels."""
    if any(found.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_holds(one, found) for one in selector.get("matchExpressions") or ())


def _holds(expression: Json, found: Mapping[str, str]) -> bool:
    value, values = found.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _in_block(address: ipaddress.IPv4Address | ipaddress.IPv6Address, block: Json) -> bool:
    excluded = any(address in ipaddress.ip_network(one) for one in block.get("except") or ())
    return address in ipaddress.ip_network(block["cidr"]) and not excluded
