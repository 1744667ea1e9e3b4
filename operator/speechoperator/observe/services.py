"""Health of services that run elsewhere (`url`), and what the API server says beside the objects that are watched.

Each function asks once and turns what goes wrong into its answer.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from speechoperator.errors import OllamaError, in_words
from speechoperator.plan.snapshot import Health, OllamaPod

if TYPE_CHECKING:
    from speechoperator.ollama.client import Ollama


async def ollama(client: Ollama, address: str) -> OllamaPod:
    """Ask an Ollama which models it has."""
    try:
        return OllamaPod(reachable=True, models=await client.models(address))
    except OllamaError as error:
        return OllamaPod(reachable=False, detail=str(error))


async def whisper(address: str, within: float, *, answers_while_busy: bool) -> Health:
    """Ask a speech recognition server whether it is there; any answer but a server's error will do.

    Args:
        address: Its base URL.
        within: Seconds it has.
        answers_while_busy: Whether silence is a fault: whisper-asr-webservice says nothing during a job.
    """
    limits = aiohttp.ClientTimeout(total=within)
    try:
        connector = aiohttp.TCPConnector(force_close=True)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limits) as session,
            session.get(address) as answer,
        ):
            healthy = answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
            return Health(healthy, "" if healthy else f"HTTP {answer.status}: {answer.reason}")
    except TimeoutError:
        return Health(not answers_while_busy, "no answer in time")
    except aiohttp.ClientConnectorError as error:
        return Health(healthy=False, detail=in_words(error.os_error))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Health(healthy=False, detail=str(error))
