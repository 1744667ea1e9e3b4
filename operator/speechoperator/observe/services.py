"""Health of services that are polled: Ollama and Whisper, the operator's own pods and external ones.

Each function polls once and returns failures as results.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from speechoperator.errors import OllamaError, describe_os_error
from speechoperator.plan.snapshot import Health, OllamaPod

if TYPE_CHECKING:
    from speechoperator.observe.egress import Egress
    from speechoperator.ollama.client import OllamaClient

_MAX_DETAIL_CHARS = 500
"""Length of what a service says about itself: whoever edits the spec reads it in the status."""


async def ollama(client: OllamaClient, url: str) -> OllamaPod:
    """Return which models an Ollama has."""
    try:
        return OllamaPod(reachable=True, models=await client.models(url))
    except OllamaError as error:
        return OllamaPod(reachable=False, detail=str(error))


class ExternalServices:
    """Probes the services behind a `url` of a spec.

    Args:
        ollama: The client; it does not connect to denied addresses either.
        egress: Opens connections.
        timeout_s: Seconds a service has to respond.
    """

    def __init__(self, ollama: OllamaClient, egress: Egress, timeout_s: float) -> None:
        self._ollama = ollama
        self._egress = egress
        self._timeout_s = timeout_s

    async def ollama(self, url: str) -> OllamaPod:
        """Return which models an Ollama has."""
        return await ollama(self._ollama, url)

    async def whisper(self, url: str, *, responds_while_busy: bool) -> Health:
        """Return whether a speech recognition server responds. For the arguments see `whisper`."""
        return await whisper(url, self._timeout_s, self._egress, responds_while_busy=responds_while_busy)


async def whisper(url: str, timeout_s: float, egress: Egress, *, responds_while_busy: bool) -> Health:
    """Return whether a speech recognition server responds; any response but a server error counts.

    Args:
        url: Its base URL.
        timeout_s: Seconds it has to respond.
        egress: Opens the connection.
        responds_while_busy: Whether a timeout is a failure: whisper-asr-webservice does not respond during a job.
    """
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        connector = aiohttp.TCPConnector(force_close=True, socket_factory=egress.socket)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            healthy = response.status < HTTPStatus.INTERNAL_SERVER_ERROR
            return Health(healthy, "" if healthy else f"HTTP {response.status}: {response.reason}"[:_MAX_DETAIL_CHARS])
    except TimeoutError:
        return Health(not responds_while_busy, "no response in time")
    except aiohttp.ClientConnectorError as error:
        return Health(healthy=False, detail=describe_os_error(error.os_error))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Health(healthy=False, detail=str(error)[:_MAX_DETAIL_CHARS])
