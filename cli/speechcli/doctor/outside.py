"""What this machine sees of the service: its name, its certificate, and the bridge's readiness."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from speechcli.bridge_access import bridge
from speechcli.doctor.facts import Handshake, Readiness, Resolved
from speechcli.errors import ClusterError

if TYPE_CHECKING:
    from speechcli.kube.configuration import ClusterOptions

HTTPS = 443
TIMEOUT_S = 10.0


async def resolve(host: str) -> Resolved:
    """Return the addresses of a host name."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        return Resolved(error="the resolver timed out")
    except OSError as error:
        return Resolved(error=error.strerror or str(error))
    return Resolved(tuple(dict.fromkeys(str(address[4][0]) for address in found)))


async def handshake(host: str, port: int, context: ssl.SSLContext | None = None) -> Handshake:
    """Return the result of a TLS handshake, which trusts what this machine trusts or the given context does."""
    trust = context or await asyncio.to_thread(ssl.create_default_context)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=trust, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        return Handshake(untrusted=error.verify_message)
    except TimeoutError:
        return Handshake(error=f"port {port} did not respond within {TIMEOUT_S:.0f} s")
    except OSError as error:
        return Handshake(error=error.strerror or str(error))
    certificate = writer.get_extra_info("peercert") or {}
    writer.transport.abort()
    if "notAfter" not in certificate:
        return Handshake(untrusted="the certificate has no end")
    return Handshake(datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC))


async def readiness(options: ClusterOptions, pipeline: str) -> Readiness:
    """Return the answer of a pod of the bridge to /readyz, through a port-forward."""
    timeout = aiohttp.ClientTimeout(TIMEOUT_S)
    try:
        async with (
            bridge(options, pipeline) as address,
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{await address()}/readyz") as answer,
        ):
            return Readiness(answer.status, await answer.text())
    except ClusterError as error:
        return Readiness(error=error.message)
    except (aiohttp.ClientError, OSError) as error:
        return Readiness(error=str(error) or "timed out")
