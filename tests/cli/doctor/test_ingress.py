"""The Ingress: its class, its address, its controller's limits; DNS and TLS of its host."""

import json
from datetime import timedelta
from typing import Any

import pytest

from cli.doctor.cases import NOW, Object, facts, only, pod, refused, the, wrong
from speechcli.doctor.checks import bridge, ingress, names, tls
from speechcli.doctor.facts import Facts, Handshake, Readiness, Resolved
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit

SPEC = {"bridge": {"ingress": {"host": "speech.example.com", "className": "web", "tlsSecretName": "cert"}}}
NGINX = "nginx.ingress.kubernetes.io"
FITTING = {f"{NGINX}/proxy-body-size": "0", f"{NGINX}/proxy-read-timeout": "7000", f"{NGINX}/proxy-send-timeout": "610"}


def served(annotations: dict[str, str] | None = None, *, address: str = "192.0.2.7") -> Object:
    balancer = {"loadBalancer": {"ingress": [{"ip": address}]}} if address else {}
    return {
        "metadata": {"name": "calls-bridge", "annotations": annotations or {}},
        "spec": {"ingressClassName": "web"},
        "status": balancer,
    }


def ingress_class(controller: str, name: str = "web") -> Object:
    return {"metadata": {"name": name}, "spec": {"controller": controller}}


def exposed(controller: str, annotations: dict[str, str] | None = None, **others: Any) -> Facts:
    return facts(spec=SPEC, ingresses=[served(annotations)], ingress_classes=[ingress_class(controller)], **others)


def test_without_an_ingress_it_says_how_the_bridge_is_reached() -> None:
    assert "only inside the cluster" in the(ingress.check(facts()), Level.OK).message


def balanced(*addresses: str) -> Facts:
    service = {
        "spec": {"type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": a} for a in addresses]}},
    }
    return facts(spec={"bridge": {"service": {"type": "LoadBalancer"}}}, services=[service])


def test_a_load_balancer_has_an_address() -> None:
    assert "192.0.2.8" in the(ingress.check(balanced("192.0.2.8")), Level.OK).message
    assert "no load balancer" in the(ingress.check(balanced()), Level.WARNING).message


def test_a_missing_class_is_a_fault_that_lists_those_that_exist() -> None:
    found = the(
        ingress.check(facts(spec=SPEC, ingresses=[served()], ingress_classes=[ingress_class("x", "public")])),
        Level.FAULT,
    )

    assert found.message == "IngressClass web does not exist; the cluster has public"


def test_an_ingress_without_an_address_is_a_warning() -> None:
    found = facts(
        spec=SPEC, ingresses=[served(FITTING, address="")], ingress_classes=[ingress_class("k8s.io/ingress-nginx")]
    )

    assert "has no address" in the(ingress.check(found), Level.WARNING).message


def test_a_missing_ingress_is_a_fault() -> None:
    assert the(ingress.check(facts(spec=SPEC, ingresses=[])), Level.FAULT)


def test_ingress_nginx_with_the_operators_annotations_is_fine() -> None:
    assert wrong(ingress.check(exposed("k8s.io/ingress-nginx", FITTING))) == []


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        ("proxy-body-size", "8m", "larger recordings are refused"),
        ("proxy-body-size", "1024", "larger recordings are refused"),
        ("proxy-read-timeout", "60", "longer work is cut off"),
        ("proxy-buffering", "on", "do not arrive as they are written"),
    ],
)
def test_an_overridden_annotation_of_ingress_nginx_is_a_fault(annotation: str, value: str, text: str) -> None:
    given = FITTING | {f"{NGINX}/{annotation}": value}

    assert text in the(ingress.check(exposed("k8s.io/ingress-nginx", given)), Level.FAULT).message


def test_a_large_body_size_of_ingress_nginx_is_fine() -> None:
    assert wrong(ingress.check(exposed("k8s.io/ingress-nginx", FITTING | {f"{NGINX}/proxy-body-size": "1g"}))) == []


def traefik(*arguments: str) -> Object:
    found = pod("traefik-1", "", namespace="kube-system", labels={"app.kubernetes.io/name": "traefik"})
    found["spec"]["containers"][0]["args"] = list(arguments)
    return found


def test_traefiks_default_of_60_s_is_a_warning() -> None:
    found = exposed("traefik.io/ingress-controller", all_pods=[traefik("--entryPoints.web.address=:80")])

    assert "after 60 s" in the(ingress.check(found), Level.WARNING).message


@pytest.mark.parametrize("value", ["0", "0s", "600", "10m0s", "1h"])
def test_traefik_with_enough_time_is_fine(value: str) -> None:
    given = traefik(f"--entryPoints.web.transport.respondingTimeouts.readTimeout={value}")

    assert wrong(ingress.check(exposed("traefik.io/ingress-controller", all_pods=[given]))) == []


@pytest.mark.parametrize(
    ("value", "level"),
    [("60s", Level.WARNING), ("1m30s", Level.WARNING), ("500ms", Level.WARNING), ("x", Level.UNCHECKED)],
)
def test_traefik_with_too_little_time_is_a_warning(value: str, level: Level) -> None:
    given = traefik(f"--entryPoints.web.transport.respondingTimeouts.readTimeout={value}")

    assert value in the(ingress.check(exposed("traefik.io/ingress-controller", all_pods=[given])), level).message


def test_traefik_without_permission_is_not_checked() -> None:
    assert the(ingress.check(exposed("traefik.io/ingress-controller", all_pods=refused("pods"))), Level.UNCHECKED)


def test_an_alb_waits_60_s_unless_told_otherwise() -> None:
    attributes = "alb.ingress.kubernetes.io/load-balancer-attributes"

    assert "60 s" in the(ingress.check(exposed("ingress.k8s.aws/alb")), Level.FAULT).message
    assert wrong(ingress.check(exposed("ingress.k8s.aws/alb", {attributes: "idle_timeout.timeout_seconds=4000"}))) == []


def test_an_unknown_controller_is_not_checked() -> None:
    assert "example.com/lb" in the(ingress.check(exposed("example.com/lb")), Level.UNCHECKED).message


def resolved(*addresses: str, error: str = "", host: str = "speech.example.com") -> Facts:
    spec = {"bridge": {"ingress": {"host": host}}}
    return facts(spec=spec, ingresses=[served()], resolved=Resolved(addresses, error))


def test_a_host_that_resolves_to_the_ingress_is_fine() -> None:
    assert wrong(names.check(resolved("192.0.2.7"))) == []


def test_a_host_that_resolves_elsewhere_is_a_warning() -> None:
    assert "the Ingress has 192.0.2.7" in the(names.check(resolved("198.51.100.1")), Level.WARNING).message


def test_a_host_that_this_machine_cannot_resolve_is_a_warning_with_the_address_for_it() -> None:
    found = the(names.check(resolved(error="Name or service not known")), Level.WARNING)

    assert found.fix.endswith("create a DNS record of speech.example.com that points to 192.0.2.7")


def test_a_localhost_name_is_explained() -> None:
    found = the(names.check(resolved(error="Name or service not known", host="speech.localhost")), Level.WARNING)

    assert "only browsers and curl" in found.message


def with_secret(secret: list[Object], *, days: int = 60, untrusted: str = "") -> Facts:
    shake = Handshake(None if untrusted else NOW + timedelta(days=days), untrusted)
    return facts(spec=SPEC, ingresses=[served()], tls_secret=secret, handshake=shake)


CERT = {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}


def test_a_trusted_certificate_that_lasts_is_fine() -> None:
    assert wrong(tls.check(with_secret([CERT]))) == []


def test_a_missing_secret_is_a_fault_with_the_command_that_creates_it() -> None:
    assert "create secret tls cert" in the(tls.check(with_secret([])), Level.FAULT).fix


def test_a_secret_of_the_wrong_kind_is_a_fault() -> None:
    assert "is not of type" in the(tls.check(with_secret([{"type": "Opaque", "data": {}}])), Level.FAULT).message


def test_a_certificate_that_ends_soon_is_a_warning() -> None:
    assert "5 more days" in the(tls.check(with_secret([CERT], days=5)), Level.WARNING).message


def test_a_certificate_that_this_machine_does_not_trust_is_a_warning() -> None:
    found = the(tls.check(with_secret([CERT], untrusted="self-signed certificate")), Level.WARNING)

    assert "self-signed" in found.message


def test_a_host_that_cannot_be_reached_from_here_is_not_checked() -> None:
    found = facts(spec=SPEC, ingresses=[served()], tls_secret=[CERT], handshake=Handshake(error="timed out"))

    assert "not reachable from this machine" in the(tls.check(found), Level.UNCHECKED).message


WITHOUT_SECRET = {"bridge": {"ingress": {"host": "speech.example.com"}}}


@pytest.mark.parametrize(
    "annotation", ["alb.ingress.kubernetes.io/certificate-arn", "networking.gke.io/managed-certificates"]
)
def test_a_certificate_of_the_cloud_is_fine(annotation: str) -> None:
    assert wrong(tls.check(facts(spec=WITHOUT_SECRET, ingresses=[served({annotation: "mine"})]))) == []


def test_a_certificate_that_the_controller_has_by_itself_is_fine() -> None:
    shake = Handshake(NOW + timedelta(days=60))

    assert wrong(tls.check(facts(spec=WITHOUT_SECRET, ingresses=[served()], handshake=shake))) == []


def test_plain_http_is_a_warning() -> None:
    spec = {"bridge": {"ingress": {"host": "speech.example.com"}}}

    assert "in clear" in the(tls.check(facts(spec=spec)), Level.WARNING).message
    refusing = facts(spec=spec, handshake=Handshake(error="Connection refused"))
    assert "in clear" in the(tls.check(refusing), Level.WARNING).message


def readyz(status: int, *, ready: bool) -> Facts:
    body = {"components": {"whisper": {"ready": ready, "detail": "no pod answers"}}}
    return facts(readiness=Readiness(status, json.dumps(body)))


def test_a_ready_bridge_is_fine() -> None:
    assert only(bridge.check(readyz(200, ready=True)), Level.OK)


def test_a_bridge_that_is_not_ready_names_the_component() -> None:
    assert "whisper: no pod answers" in the(bridge.check(readyz(503, ready=False)), Level.FAULT).message


def test_a_bridge_that_cannot_be_reached_is_not_checked() -> None:
    found = the(bridge.check(facts(readiness=Readiness(error="no pod of the bridge runs"))), Level.UNCHECKED)

    assert "no pod of the bridge runs" in found.message


def test_an_answer_of_something_else_is_not_checked() -> None:
    assert the(bridge.check(facts(readiness=Readiness(200, "<html>"))), Level.UNCHECKED)
