"""Whether the certificate exists, is accepted by this machine, and lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.facts import annotations_of
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Handshake, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "tls"
SOON_DAYS = 14
TYPE = "kubernetes.io/tls"
KEYS = ("tls.crt", "tls.key")
MANAGED = (
    "alb.ingress.kubernetes.io/certificate-arn",
    "networking.gke.io/managed-certificates",
    "ingress.gcp.kubernetes.io/pre-shared-cert",
)
"""Annotations that give an Ingress a certificate of the cloud."""


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the TLS Secret and the handshake; without TLS, say that requests are not encrypted."""
    if not facts.ingress_spec:
        return
    secret, shake = facts.ingress_spec.get("tlsSecretName", ""), facts.handshake
    if secret:
        yield from _secret(facts, secret)
    elif managed := next((one for ingress in facts.ingresses.items for one in MANAGED if has(ingress, one)), ""):
        yield ok(AREA, f"the certificate is that of the annotation {managed}")
    elif shake is None or not (shake.expires or shake.untrusted):
        text = "the Ingress has no certificate: recordings and keys are sent in clear"
        yield warning(AREA, text, "docs/how-to/expose-a-pipeline.md")
        return
    if shake:
        yield _handshake(facts, shake, facts.ingress_spec.get("host", ""))


def has(ingress: Json, annotation: str) -> bool:
    """Return whether an Ingress has an annotation."""
    return bool(annotations_of(ingress).get(annotation))


def _secret(facts: Facts, secret: str) -> Iterator[Verdict]:
    managed = any(key.startswith("cert-manager.io/") for one in facts.ingresses.items for key in annotations_of(one))
    fix = (
        f"kubectl -n {facts.namespace} describe certificate {secret}"
        if managed
        else f"kubectl -n {facts.namespace} create secret tls {secret} --cert=tls.crt --key=tls.key"
    )
    if facts.tls_secret.refused:
        yield unchecked(AREA, f"Secret {secret}: {facts.tls_secret.refused}")
    elif not facts.tls_secret.items:
        yield fault(AREA, f"Secret {secret} does not exist", fix)
    elif facts.tls_secret.items[0].get("type") != TYPE or set(KEYS) - set(facts.tls_secret.items[0].get("data") or {}):
        yield fault(AREA, f"Secret {secret} is not of type {TYPE} with {' and '.join(KEYS)}", fix)
    else:
        yield ok(AREA, f"Secret {secret} exists")


def _handshake(facts: Facts, shake: Handshake, host: str) -> Verdict:
    if shake.expires is None and not shake.untrusted:
        return unchecked(AREA, f"the certificate of {host}: not reachable from this machine: {shake.error}")
    if shake.expires is None:
        return warning(
            AREA,
            f"{host} has no certificate that this machine trusts: {shake.untrusted}",
            f"openssl s_client -connect {host}:443 -servername {host} </dev/null",
        )
    days = (shake.expires - facts.now).days
    text = f"the certificate of {host} is valid for {days} more days"
    if days < SOON_DAYS:
        return warning(AREA, text, f"renew it: kubectl -n {facts.namespace} get certificates,secrets")
    return ok(AREA, text)
