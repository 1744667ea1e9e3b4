"""Responses of Ollama over HTTP: read within bounds, and failures as an `OllamaError` with a message for people."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp

from speechoperator.errors import OllamaError, OllamaRejectedError, describe_os_error
from speechoperator.ollama import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_BODY_BYTES = 4 * 2**20
_MAX_ERROR_BYTES = 2000


async def line(response: aiohttp.ClientResponse, deadline: float) -> bytes:
    """Return the next line of a response, nothing at its end.

    Raises:
        TimeoutError: there is none before the deadline, a time of the event loop.
    """
    async with asyncio.timeout_at(deadline):
        return await response.content.readline()


async def body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body of a response, which must not be longer than a list of models can be.

    Raises:
        OllamaError: it is longer.
    """
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > _MAX_BODY_BYTES:
            raise OllamaError(f"it does not respond as Ollama does: more than {_MAX_BODY_BYTES} bytes")
    return b"".join(parts)


async def check(response: aiohttp.ClientResponse) -> None:
    """Raise the error of a response that is no success; a redirect is none, and is not followed."""
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    text = await response.content.read(_MAX_ERROR_BYTES)
    reason = messages.error_of(text) or f"HTTP {response.status}: {response.reason}"[: messages.MAX_ERROR_CHARS]
    if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise OllamaRejectedError(reason)
    raise OllamaError(reason)


@contextmanager
def translated_errors(expected: str) -> Iterator[None]:
    """Turn network errors into an `OllamaError` with a message for people."""
    try:
        yield
    except TimeoutError as error:
        raise OllamaError(f"no {expected} in time") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise OllamaError(f"its certificate is not trusted: {error.certificate_error}") from error
    except aiohttp.ClientConnectorError as error:
        raise OllamaError(describe_os_error(error.os_error)) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise OllamaError(f"the connection was lost: {error}") from error
