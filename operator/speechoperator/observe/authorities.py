"""The certificate authorities of external services, from ConfigMaps: read now and then, for all services together.

The operator does not watch these ConfigMaps: they are the users'. What was read serves all pipelines of the namespace
for some minutes, and is read again sooner once a service does not respond: its certificate may have been replaced.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from speechoperator.kube.errors import ApiError
from speechoperator.kube.kinds import Kind

if TYPE_CHECKING:
    from speechoperator.api import CertificateAuthorities
    from speechoperator.kube.client import KubeClient

CONFIG_MAP = Kind("ConfigMap", "configmaps")
_FRESH_S = 600.0
"""Seconds for which certificate authorities that work serve all services."""
_DOUBTED_S = 25.0
"""The same once a service with them did not respond: less than the interval in which it is probed."""


class UnusableError(Exception):
    """The certificate authorities cannot be read; the message says why."""


class _Place(NamedTuple):
    namespace: str
    name: str
    key: str


@dataclass(slots=True)
class _Known:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    context: ssl.SSLContext | None = None
    pem: str = ""
    read_at: float = 0.0
    doubted: bool = False


class Authorities:
    """Not thread-safe.

    Args:
        client: What reads the ConfigMaps.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._known: dict[_Place, _Known] = {}

    async def context(self, namespace: str, ca: CertificateAuthorities | None) -> ssl.SSLContext | None:
        """Return what verifies the certificate of a service; None for the certificate authorities of the system.

        Args:
            namespace: The namespace of the ConfigMap.
            ca: Where the certificates are.

        Raises:
            UnusableError: the ConfigMap does not exist or has no certificates, or has never been read.
        """
        if ca is None:
            return None
        place, now = _Place(namespace, ca.config_map_name, ca.key), asyncio.get_running_loop().time()
        self._forget_unused(now)
        known = self._known.setdefault(place, _Known())
        async with known.lock:  # one read for all that wait for it
            fresh_s = _DOUBTED_S if known.doubted else _FRESH_S
            if known.context is None or now - known.read_at >= fresh_s:
                await self._renew(known, place)
                known.read_at = now
            return known.context

    async def _renew(self, known: _Known, place: _Place) -> None:
        """Read the certificates; what is known stays while the API server does not answer, and is doubted."""
        try:
            pem = await self._read(place)
        except ApiError as error:
            if known.context is None:
                raise UnusableError(f'ConfigMap "{place.name}" cannot be read: {error.advice}') from error
            known.doubted = True
            return
        if known.context is None or pem != known.pem:
            known.context, known.pem = _context(place, pem), pem
        known.doubted = False

    def doubt(self, namespace: str, ca: CertificateAuthorities | None) -> None:
        """Note that a service with these certificate authorities did not respond: they may have been replaced."""
        if ca and (known := self._known.get(_Place(namespace, ca.config_map_name, ca.key))):
            known.doubted = True

    async def _read(self, place: _Place) -> str:
        """Return the certificates; a permission to list is enough, so that is what is used."""
        name = f'ConfigMap "{place.name}"'
        found, _ = await self._client.list(CONFIG_MAP, place.namespace, fields=f"metadata.name={place.name}")
        pem = (found[0].get("data") or {}).get(place.key) if found else None
        if not pem:
            raise UnusableError(f"{name} has no key {place.key}" if found else f"{name} not found")
        return str(pem)

    def _forget_unused(self, now: float) -> None:
        """Forget what no service has asked for: one that does has it read again within that time."""
        for place in [place for place, known in self._known.items() if _unused(known, now)]:
            del self._known[place]


def _unused(known: _Known, now: float) -> bool:
    return not known.lock.locked() and now - known.read_at > 2 * _FRESH_S


def _context(place: _Place, pem: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise UnusableError(f'ConfigMap "{place.name}" has no certificates in PEM format in {place.key}') from error
