"""What this machine sees: names, and certificates of real TLS servers on loopback."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cluster.certificates import DAYS, Certificates, create
from speechcli.doctor.outside import handshake, resolve
from speechlocal.children import free_port

pytestmark = pytest.mark.unit


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return create(tmp_path)


@asynccontextmanager
async def serving(certificates: Certificates) -> AsyncIterator[int]:
    """A TLS server; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    ended = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.transport.abort()

    server = await asyncio.start_server(wait, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()


async def test_a_trusted_certificate_has_its_end(certificates: Certificates) -> None:
    trust = ssl.create_default_context(cafile=certificates.authority)

    async with serving(certificates) as port:
        found = await handshake("localhost", port, trust)

    assert found.error == ""
    assert found.expires is not None
    assert abs(found.expires - datetime.now(UTC) - timedelta(days=int(DAYS))) < timedelta(hours=1)


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(certificates: Certificates) -> None:
    async with serving(certificates) as port:
        found = await handshake("localhost", port)

    assert found.expires is None
    assert "certificate" in found.untrusted


async def test_a_closed_port_is_an_error() -> None:
    assert (await handshake("127.0.0.1", free_port())).error


async def test_a_name_resolves_or_says_why_not() -> None:
    assert set((await resolve("localhost")).addresses) & {"127.0.0.1", "::1"}
    assert (await resolve("speech.invalid")).error
