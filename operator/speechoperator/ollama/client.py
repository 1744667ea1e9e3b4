"""A client of Ollama's API: which models it has and which are in memory, pulls, loads and derived models.

Every connection is closed after its response: Ollama pods exit only after all connections are closed.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import aiohttp

from speechoperator.errors import OllamaError
from speechoperator.ollama import messages, responses
from speechoperator.ollama.messages import Progress
from speechoperator.plan.models.pull_errors import COPY_FAILED

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncGenerator, Callable, Mapping

    from aiohttp import AddrInfoType

    from speechoperator.ollama.messages import Model, Running

_MAX_LINE_BYTES = 2**20
_VERIFY_TIMEOUT_S = 1800.0
"""Ollama reports nothing while it computes the checksum of a layer, which may have 100 GB on a slow disk."""
_LOAD_TIMEOUT_S = 1800.0
"""A model may be read from a slow network volume; Ollama itself gives up when a load makes no progress."""
_JOINED_ABORTED = "context canceled"
"""Ends the error of a pull that joined an aborted download.

Clients share the download of a layer. When the last one leaves, Ollama cancels it, but notices only after the pause
between two tries of a part, up to 32 s (server/download.go).
"""
_MAX_ABORTED_DOWNLOADS = 3
_CANNOT_CHAT = "does not support"
"""In the error for a model without the capability: one for embeddings."""

OpenSocket: TypeAlias = "Callable[[AddrInfoType], socket.socket]"


class OllamaClient:
    """Not thread-safe; use it as an async context manager.

    Args:
        timeout: Seconds a response may take.
        stall_timeout: Seconds without progress after which a pull has failed.
        open_socket: Opens sockets; it may refuse an address.
    """

    def __init__(self, timeout: float, stall_timeout: float, open_socket: OpenSocket | None = None) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._pull_timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout)
        self._stall_timeout_s = stall_timeout
        self._load_timeout = aiohttp.ClientTimeout(total=_LOAD_TIMEOUT_S, sock_connect=timeout)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0, socket_factory=open_socket),
            read_bufsize=_MAX_LINE_BYTES,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def models(self, url: str, authorities: ssl.SSLContext | None = None) -> dict[str, str]:
        """Return the models that an Ollama has: name with tag to digest. For arguments and errors see `listed`."""
        return {model.name: model.digest or "" for model in await self.listed(url, authorities)}

    async def listed(self, url: str, authorities: ssl.SSLContext | None = None) -> tuple[Model, ...]:
        """Return the models that an Ollama has.

        Args:
            url: Its base URL.
            authorities: What its certificate is verified with; None for the certificate authorities of the system.

        Raises:
            OllamaError: it did not respond, or not as Ollama does.
        """
        text = await self._send("GET", f"{url}/api/tags", authorities=authorities)
        return messages.parse(messages.Tags, text).models or ()

    async def running(self, url: str) -> tuple[Running, ...]:
        """Return the models that an Ollama has in memory.

        Raises:
            OllamaError: it did not respond, or not as Ollama does.
        """
        return messages.parse(messages.Processes, await self._send("GET", f"{url}/api/ps")).models or ()

    async def pull(self, url: str, model: str, *, insecure: bool) -> AsyncGenerator[Progress, None]:
        """Pull a model; layers that exist are not pulled again. Leaving the iteration aborts the pull.

        A pull that has joined an aborted download begins again.

        Args:
            url: The base URL of the Ollama.
            model: The model to pull.
            insecure: Whether a registry without TLS is allowed.

        Raises:
            OllamaError: it failed, with Ollama's message; that may come in a line of a response with status 200.
        """
        body = {"model": model, "insecure": insecure, "stream": True}
        for aborted in range(1, _MAX_ABORTED_DOWNLOADS + 1):
            try:
                async with aclosing(self._lines(f"{url}/api/pull", body, "the pull")) as lines:
                    async for progress in lines:
                        yield progress
            except OllamaError as error:
                if not str(error).endswith(_JOINED_ABORTED) or aborted == _MAX_ABORTED_DOWNLOADS:
                    raise
            else:
                return

    async def create(self, url: str, name: str, definition: Mapping[str, Any]) -> None:
        """Create a model from another one that is there, or replace it.

        Args:
            url: The base URL of the Ollama.
            name: The name of the new model.
            definition: Further members of the request: `from`, `system`, `template`, `parameters`.

        Raises:
            OllamaError: it failed, with Ollama's message.
        """
        body = {"model": name, **definition, "stream": True}
        async with aclosing(self._lines(f"{url}/api/create", body, "the creation")) as lines:
            async for _ in lines:
                continue

    async def load(self, url: str, model: str, parameters: Mapping[str, Any]) -> None:
        """Load a model into memory, as a chat with these parameters would. One that cannot chat is left alone.

        Args:
            url: The base URL of the Ollama.
            model: The model.
            parameters: Further members of the request: `options` and `keep_alive`; Ollama loads a model again when a
                request has other options.

        Raises:
            OllamaError: it failed, with Ollama's message: too little memory, a damaged file.
        """
        body = {"model": model, "messages": [], "stream": False, **parameters}
        try:
            await self._send("POST", f"{url}/api/chat", body, limits=self._load_timeout)
        except OllamaError as error:
            if _CANNOT_CHAT not in str(error):
                raise

    async def copy(self, url: str, source: str, name: str) -> None:
        """Give a model a second name; its blobs are shared.

        Raises:
            OllamaError: it failed; its message says that a copy did: the model may be gone meanwhile.
        """
        try:
            await self._send("POST", f"{url}/api/copy", {"source": source, "destination": name})
        except OllamaError as error:
            raise OllamaError(f"{COPY_FAILED} {source}: {error}") from error

    async def delete(self, url: str, name: str) -> None:
        """Delete a name of a model; blobs that another name uses stay. A name that is already gone is fine.

        Raises:
            OllamaError: it failed.
        """
        await self._send("DELETE", f"{url}/api/delete", {"model": name}, accepts_missing=True)

    async def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        authorities: ssl.SSLContext | None = None,
        limits: aiohttp.ClientTimeout | None = None,
        accepts_missing: bool = False,
    ) -> bytes:
        """Send a request; return the body of the response."""
        with responses.translated_errors("response"):
            async with self._session.request(
                method,
                url,
                json=body,
                timeout=limits or self._timeout,
                ssl=authorities or True,
                allow_redirects=False,
            ) as response:
                if not (accepts_missing and response.status == HTTPStatus.NOT_FOUND):
                    await responses.check(response)
                return await responses.body(response)

    async def _lines(self, url: str, body: Mapping[str, Any], what: str) -> AsyncGenerator[Progress, None]:
        """Yield the lines of a response, whose last one must say that it succeeded.

        Lines alone are no progress: Ollama repeats them 16 times a second, also while the registry sends nothing, for
        which it waits forever.
        """
        last = Progress("")
        with responses.translated_errors("progress"):
            async with asyncio.timeout(self._stall_timeout_s):
                response = await self._session.post(url, json=body, timeout=self._pull_timeout, allow_redirects=False)
            async with response:
                await responses.check(response)
                clock = asyncio.get_running_loop().time
                deadline = clock() + self._stall_timeout_s
                while line := await responses.line(response, deadline):
                    progress = messages.progress(line)
                    if progress != last:
                        verifying = progress.status.startswith(messages.VERIFYING)
                        deadline = clock() + (_VERIFY_TIMEOUT_S if verifying else self._stall_timeout_s)
                    last = progress
                    yield progress
        if last.status != "success":
            raise OllamaError(f"{what} ended early{last.status and f', at: {last.status}'}")
