"""A client of Ollama's API: which models it has, and pulls.

Every connection is closed after its response: Ollama pods exit only after all connections are closed.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias, TypeVar

import aiohttp
from pydantic import BaseModel, ConfigDict, ValidationError

from speechoperator.errors import OllamaError, OllamaRejectedError, describe_os_error

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncGenerator, Callable, Iterator

    from aiohttp import AddrInfoType

_MAX_LINE_BYTES = 2**20
_MAX_BODY_BYTES = 4 * 2**20
_MAX_ERROR_BYTES = 2000
_MAX_ERROR_CHARS = 500
_MAX_SHOWN_BYTES = 100


class _Answer(BaseModel):
    """What is read of a response; other members are ignored, and null is the same as none."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Model(_Answer):
    name: str
    digest: str | None = None


class _Tags(_Answer):
    models: tuple[_Model, ...] | None = None


class _PullLine(_Answer):
    status: str | None = None
    digest: str | None = None
    total: int | None = None
    completed: int | None = None
    error: str | None = None


OpenSocket: TypeAlias = "Callable[[AddrInfoType], socket.socket]"
A = TypeVar("A", bound=_Answer)


class Progress(NamedTuple):
    """A line of a pull's response.

    Attributes:
        status: "pulling manifest", "pulling 966de95ca8a6", "verifying sha256 digest", "success".
        digest: The layer it is about, "" for none.
        total: Bytes of the layer, 0 while unknown.
        completed: Bytes of the layer pulled so far.
    """

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


class OllamaClient:
    """Not thread-safe; use it as an async context manager.

    Args:
        timeout: Seconds a response may take.
        stall_timeout: Seconds without progress after which a pull has failed.
        open_socket: Opens sockets; it may refuse an address.
    """

    def __init__(self, timeout: float, stall_timeout: float, open_socket: OpenSocket | None = None) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._pull_timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=stall_timeout)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0, socket_factory=open_socket),
            read_bufsize=_MAX_LINE_BYTES,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def models(self, url: str, authorities: ssl.SSLContext | None = None) -> dict[str, str]:
        """Return the models that an Ollama has: name with tag to digest.

        Args:
            url: Its base URL.
            authorities: What its certificate is verified with; None for the certificate authorities of the system.

        Raises:
            OllamaError: it did not respond, or not as Ollama does.
        """
        with _translate_errors("response"):
            async with self._session.get(
                f"{url}/api/tags", timeout=self._timeout, ssl=authorities or True, allow_redirects=False
            ) as response:
                await _check(response)
                text = await _read(response)
        return {model.name: model.digest or "" for model in _parse(_Tags, text).models or ()}

    async def pull(self, url: str, model: str, *, insecure: bool) -> AsyncGenerator[Progress, None]:
        """Pull a model; layers that exist are not pulled again. Leaving the iteration aborts the pull.

        Args:
            url: The base URL of the Ollama.
            model: The model to pull.
            insecure: Whether a registry without TLS is allowed.

        Raises:
            OllamaError: it failed, with Ollama's message; that may come in a line of a response with status 200.
        """
        body = {"model": model, "insecure": insecure, "stream": True}
        last = ""
        with _translate_errors("progress"):
            async with self._session.post(
                f"{url}/api/pull", json=body, timeout=self._pull_timeout, allow_redirects=False
            ) as response:
                await _check(response)
                async for line in response.content:
                    progress = _progress(line)
                    last = progress.status
                    yield progress
        if last != "success":
            raise OllamaError(f"the pull ended early{last and f', at: {last}'}")

    async def copy(self, url: str, source: str, name: str) -> None:
        """Give a model a second name; its blobs are shared.

        Raises:
            OllamaError: it failed.
        """
        with _translate_errors("response"):
            body = {"source": source, "destination": name}
            async with self._session.post(
                f"{url}/api/copy", json=body, timeout=self._timeout, allow_redirects=False
            ) as response:
                await _check(response)

    async def delete(self, url: str, name: str) -> None:
        """Delete a name of a model; blobs that another name uses stay. A name that is already gone is fine.

        Raises:
            OllamaError: it failed.
        """
        with _translate_errors("response"):
            body = {"model": name}
            async with self._session.delete(
                f"{url}/api/delete", json=body, timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.NOT_FOUND:
                    await _check(response)


def _progress(line: bytes) -> Progress:
    found = _parse(_PullLine, line)
    if found.error:
        raise OllamaError(found.error[:_MAX_ERROR_CHARS])
    return Progress(found.status or "", found.digest or "", found.total or 0, found.completed or 0)


def _parse(model: type[A], text: bytes) -> A:
    """Parse a response.

    Raises:
        OllamaError: it is not one of Ollama's.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        shown = f"{where}: {first['msg']}" if where else repr(text[:_MAX_SHOWN_BYTES])
        raise OllamaError(f"it does not respond as Ollama does: {shown}") from None


async def _read(response: aiohttp.ClientResponse) -> bytes:
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


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise the error of a response that is no success; a redirect is none, and is not followed."""
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    text = await response.content.read(_MAX_ERROR_BYTES)
    reason = _error_of(text) or f"HTTP {response.status}: {response.reason}"[:_MAX_ERROR_CHARS]
    if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise OllamaRejectedError(reason)
    raise OllamaError(reason)


def _error_of(text: bytes) -> str:
    try:
        return (_PullLine.model_validate_json(text).error or "")[:_MAX_ERROR_CHARS]
    except ValidationError:
        return ""


@contextmanager
def _translate_errors(expected: str) -> Iterator[None]:
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
