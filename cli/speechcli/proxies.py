"""The proxy for an address, from the environment as kubectl reads it: the rules of golang.org/x/net/http/httpproxy.

`urllib.request` differs: it knows no CIDRs and ports in NO_PROXY, and sends requests to this machine through the proxy.
Names below `localhost` are this machine, too.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from speechcli.localhost import is_localhost

if TYPE_CHECKING:
    from collections.abc import Mapping

PORTS = {"http": 80, "https": 443}


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the proxy for a URL, None without one."""
    parts = urlsplit(url)
    proxy = _variable(environment, f"{parts.scheme}_proxy")
    host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)
    excluded = [entry.strip().lower() for entry in _variable(environment, "no_proxy").split(",")]
    if not proxy or _is_this_machine(host) or any(_matches(entry, host, port) for entry in excluded if entry):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.upper()) or environment.get(name) or ""


def _is_this_machine(host: str) -> bool:
    address = _address(host)
    return is_localhost(host) or (address is not None and address.is_loopback)


def _matches(entry: str, host: str, port: int) -> bool:
    """Return whether an entry of NO_PROXY covers a host: `*`, a CIDR, or an address or domain with or without port."""
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        network = _network(entry)
        return network is not None and address is not None and address in network
    name, of_port = _split(entry)
    if of_port and of_port != str(port):
        return False
    if (excluded := _address(name)) is not None:
        return address == excluded
    domain = name.removeprefix("*")  # *.example.com is .example.com, which does not cover example.com itself
    return host.endswith(domain) if domain.startswith(".") else host == domain or host.endswith(f".{domain}")


def _split(entry: str) -> tuple[str, str]:
    """Return the host and the port of an entry; the port is empty without one."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    if entry.count(":") != 1:  # none, or an IPv6 address
        return entry, ""
    host, _, port = entry.partition(":")
    return host, port


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
