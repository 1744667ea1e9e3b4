"""NetworkPolicies: enforced, and open to the ingress controller."""

from dataclasses import replace
from typing import Any

import pytest

from cli.doctor.cases import Object, facts, pod, the, wrong
from speechcli.doctor.checks import network_policy
from speechcli.doctor.facts import Facts, Listed
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit

CALICO = {"metadata": {"name": "calico-node"}}
OF_TRAEFIK = {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}


def policy(*peers: Object) -> Object:
    rule = {"from": list(peers)} if peers else {}
    return {"metadata": {"name": "calls-bridge"}, "spec": {"ingress": [rule]}}


def behind_traefik(*peers: Object) -> Facts:
    ingress = {"metadata": {"name": "calls-bridge"}, "spec": {"ingressClassName": "web"}}
    controller = pod(
        "traefik-1", "", namespace="ingress", labels={"app.kubernetes.io/name": "traefik"}, podIP="10.0.0.9"
    )
    return facts(
        spec={"bridge": {"ingress": {"host": "x"}}},
        daemon_sets=[CALICO],
        ingresses=[ingress],
        ingress_classes=[{"metadata": {"name": "web"}, "spec": {"controller": "traefik.io/ingress-controller"}}],
        all_pods=[controller],
        namespaces=[{"metadata": {"name": "ingress", "labels": {"team": "platform"}}}],
        network_policies=[policy(*peers)],
    )


@pytest.mark.parametrize("plugin", ["calico-node", "cilium", "kube-network-policies"])
def test_a_plugin_that_enforces_is_fine(plugin: str) -> None:
    flannel, other = {"metadata": {"name": "kube-flannel-ds"}}, {"metadata": {"name": plugin}}

    assert wrong(network_policy.check(facts(daemon_sets=[flannel, other]))) == []


def test_a_plugin_that_does_not_enforce_is_a_warning() -> None:
    found = the(network_policy.check(facts(daemon_sets=[{"metadata": {"name": "kube-flannel-ds"}}])), Level.WARNING)

    assert "does not enforce" in found.message


@pytest.mark.parametrize("plugin", ["aws-node", "kindnet", "unheard-of"])
def test_a_plugin_that_may_or_may_not_enforce_is_not_checked(plugin: str) -> None:
    assert the(network_policy.check(facts(daemon_sets=[{"metadata": {"name": plugin}}])), Level.UNCHECKED)


def test_disabled_policies_are_a_warning() -> None:
    assert the(network_policy.check(facts(spec={"networkPolicy": {"enabled": False}})), Level.WARNING)


def test_a_policy_for_all_clients_needs_no_look_at_the_controller() -> None:
    assert wrong(network_policy.check(behind_traefik())) == []


@pytest.mark.parametrize(
    "peer",
    [
        {"namespaceSelector": OF_TRAEFIK},
        {"namespaceSelector": {"matchLabels": {"team": "platform"}}},
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "traefik"}}},
        {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "In", "values": ["platform"]}]}},
        {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["other"]}]}},
        {"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}},
        {"namespaceSelector": {"matchExpressions": [{"key": "gone", "operator": "DoesNotExist"}]}},
        {"ipBlock": {"cidr": "10.0.0.0/8"}},
    ],
)
def test_an_admitted_controller_is_fine(peer: dict[str, Any]) -> None:
    assert wrong(network_policy.check(behind_traefik(peer))) == []


@pytest.mark.parametrize(
    "peer",
    [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"team": "other"}}},
        {"namespaceSelector": OF_TRAEFIK, "podSelector": {"matchLabels": {"app": "other"}}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/24"]}},
        {"ipBlock": {"cidr": "192.0.2.0/24"}},
    ],
)
def test_a_controller_that_is_not_admitted_is_a_fault_with_the_lines_to_add(peer: dict[str, Any]) -> None:
    found = the(network_policy.check(behind_traefik(peer)), Level.FAULT)

    assert "does not admit traefik.io/ingress-controller (pod ingress/traefik-1)" in found.message
    assert "kubernetes.io/metadata.name: ingress" in found.fix


def nginx(name: str, namespace: str = "ingress", component: str = "controller", **status: Any) -> Object:
    labels = {"app.kubernetes.io/name": "ingress-nginx", "app.kubernetes.io/component": component}
    return pod(name, "", namespace=namespace, labels=labels, **status)


def behind_nginx(*pods: Object) -> Facts:
    return replace(
        behind_traefik({"namespaceSelector": OF_TRAEFIK}),
        ingress_classes=Listed(({"metadata": {"name": "web"}, "spec": {"controller": "k8s.io/ingress-nginx"}},)),
        all_pods=Listed(pods),
    )


def test_only_running_pods_of_the_controller_itself_are_judged() -> None:
    elsewhere = [nginx("job", "jobs", "admission-webhook"), nginx("old", "jobs", phase="Succeeded")]

    assert wrong(network_policy.check(behind_nginx(*elsewhere, nginx("controller")))) == []


def test_another_installation_of_the_controller_need_not_be_admitted() -> None:
    found = network_policy.check(behind_nginx(nginx("internal", "internal"), nginx("controller")))

    assert "and not its installation in internal" in list(found)[-1].message


def test_without_any_admitted_installation_it_is_a_fault() -> None:
    assert the(network_policy.check(behind_nginx(nginx("one", "a"), nginx("two", "b"))), Level.FAULT)
