"""Which addresses the operator connects to for a `url` in a spec.

Whoever may edit a pipeline chooses these URLs, and the status shows what comes back. From the operator's place in the
network that would reach what listens on loopback only, and the metadata service of the cloud with its credentials.
Addresses are checked when a connection is opened, after the name has been resolved, so that no name can point elsewhere
meanwhile.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiohttp import AddrInfoType

_NAT64 = IPv6Network("64:ff9b::/96")

Networks: TypeAlias = "Sequence[IPv4Network | IPv6Network]"


class DeniedAddressError(OSError):
    """The address is in a network that the operator does not connect to."""


class Egress:
    """Opens sockets, except to the addresses that are denied.

    Args:
        denied: The denied networks.
    """

    def __init__(self, denied: Networks) -> None:
        self._denied = denied

    def socket(self, address: AddrInfoType) -> socket.socket:
        """Return a socket for an address; for `aiohttp.TCPConnector`.

        Raises:
            DeniedAddressError: the address is denied.
        """
        family, kind, protocol, _, place = address
        host = str(place[0]).partition("%")[0]
        found = ip_address(host)
        if any(one in network for network in self._denied for one in (found, *_embedded(found))):
            raise DeniedAddressError(f"the operator does not connect to {host} (URL_DENIED_NETWORKS)")
        return socket.socket(family, kind, protocol)


def _embedded(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 address that an IPv6 address leads to: IPv4-mapped, or translated by NAT64 (RFC 6052)."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
        if address in _NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)


def parse_networks(text: str) -> Networks:
    """Parse networks separated by commas: "127.0.0.0/8, ::1/128".

    Raises:
        ValueError: one of them is not a network.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
