"""Whether the host resolves on this machine, to the address of the Ingress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.checks.ingress import addresses
from speechcli.doctor.verdicts import ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts
    from speechcli.doctor.verdicts import Verdict

AREA = "dns"


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the DNS of the host of the Ingress; nothing without one."""
    host, resolved = facts.ingress_spec.get("host", ""), facts.resolved
    if not host or resolved is None:
        return
    published = [address for ingress in facts.ingresses.items for address in addresses(ingress)]
    if resolved.error:
        yield _unresolved(host, resolved.error, published)
        return
    found = ", ".join(resolved.addresses)
    literal = [address for address in published if address.replace(".", "").isdecimal() or ":" in address]
    if literal and not set(literal) & set(resolved.addresses):
        yield warning(
            AREA,
            f"{host} resolves to {found}, the Ingress has {', '.join(literal)}: a proxy in between, or an old record",
            f"if there is no proxy, let the DNS record of {host} point to {literal[0]}",
        )
    else:
        yield ok(AREA, f"{host} resolves to {found}")


def _unresolved(host: str, error: str, published: list[str]) -> Verdict:
    target = published[0] if published else "the address of the ingress controller"
    if host.endswith(".localhost"):
        return warning(
            AREA,
            f"{host} does not resolve here: only browsers and curl know *.localhost ({error})",
            f"echo 127.0.0.1 {host} | sudo tee -a /etc/hosts, or use `kubectl speech ask`",
        )
    return warning(  # clients may ask other name servers, such as those of a private network
        AREA,
        f"{host} does not resolve on this machine: {error}",
        f"if clients cannot resolve it either, create a DNS record of {host} that points to {target}",
    )
