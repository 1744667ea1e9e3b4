"""A client of Ollama's API: which models it has, and pulls.

Every connection is closed after its answer: before an Ollama pod stops it waits until nobody is connected.
https://github.com/ollama/ollama/blob/main/docs/api.md
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import aiohttp

from speechoperator.errors import OllamaError, in_words

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

_LONGEST_LINE = 2**20


class Progress(NamedTuple):
    """A line of a pull.

    Attributes:
        status: "pulling manifest", "pulling 966de95ca8a6", "verifying sha256 digest", "success".
        digest: The layer it is about, "" when none.
        total: Bytes of the layer, 0 while unknown.
        completed: Bytes of it that are there.
    """

    status: str
    digest: str = ""
    total: int = 0
    completed: int = 0


class Ollama:
    """Use within one event loop; close it by `async with`.

    Args:
        timeout: Seconds that an answer may take.
        stall_timeout: Seconds without a line after which a pull has failed.
    """

    def __init__(self, timeout: float, stall_timeout: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._pull_timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=stall_timeout)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0), read_bufsize=_LONGEST_LINE
        )

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._session.close()

    async def models(self, address: str) -> dict[str, str]:
        """Return the models that an Ollama has, by name with tag, to digest.

        Args:
            address: Its base URL.

        Raises:
            OllamaError: it did not answer, or not as Ollama does.
        """
        with _in_words("answer"):
            async with self._session.get(f"{address}/api/tags", timeout=self._timeout) as answer:
                await _check(answer)
                found = await answer.json(content_type=None)
        if not isinstance(found, dict) or not isinstance(found.get("models", []), list | None):
            raise OllamaError("it does not answer as Ollama does")
        return {str(model["name"]): str(model.get("digest", "")) for model in found.get("models") or ()}

    async def pull(self, address: str, model: str, *, insecure: bool) -> AsyncGenerator[Progress, None]:
        """Pull a model; what is there of it already is not pulled again. Leaving the iteration ends the pull.

        Args:
            address: The base URL of the Ollama.
            model: What to pull.
            insecure: Whether the registry may be without TLS.

        Raises:
            OllamaError: it failed, in Ollama's words; these may come in a line of an answer with status 200.
        """
        body = {"model": model, "insecure": insecure, "stream": True}
        last = ""
        with _in_words("progress"):
            async with self._session.post(f"{address}/api/pull", json=body, timeout=self._pull_timeout) as answer:
                await _check(answer)
                async for line in answer.content:
                    progress = _progress(line)
                    last = progress.status
                    yield progress
        if last != "success":
            raise OllamaError(f"the pull ended early{last and f', at: {last}'}")

    async def copy(self, address: str, source: str, name: str) -> None:
        """Give a model a second name; its blobs are shared.

        Raises:
            OllamaError: it refused.
        """
        with _in_words("answer"):
            body = {"source": source, "destination": name}
            async with self._session.post(f"{address}/api/copy", json=body, timeout=self._timeout) as answer:
                await _check(answer)

    async def remove(self, address: str, name: str) -> None:
        """Take a name off; the blobs stay while another name has them. One that is gone already is fine.

        Raises:
            OllamaError: it refused.
        """
        with _in_words("answer"):
            body = {"model": name}
            async with self._session.delete(f"{address}/api/delete", json=body, timeout=self._timeout) as answer:
                if answer.status != HTTPStatus.NOT_FOUND:
                    await _check(answer)


def _progress(line: bytes) -> Progress:
    try:
        found = json.loads(line)
    except ValueError:
        raise OllamaError(f"it does not answer as Ollama does: {line[:100]!r}") from None
    if error := found.get("error"):
        raise OllamaError(str(error))
    return Progress(
        str(found.get("status", "")),
        str(found.get("digest", "")),
        int(found.get("total") or 0),
        int(found.get("completed") or 0),
    )


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status < HTTPStatus.BAD_REQUEST:
        return
    text = (await answer.content.read(2000)).decode(errors="replace").strip()
    raise OllamaError(_error_of(text) or f"HTTP {answer.status}: {answer.reason}")


def _error_of(text: str) -> str:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return ""
    return str(found.get("error", "")) if isinstance(found, dict) else ""


@contextmanager
def _in_words(awaited: str) -> Iterator[None]:
    """Turn what goes wrong on the line into an OllamaError that a person understands."""
    try:
        yield
    except TimeoutError as error:
        raise OllamaError(f"no {awaited} in time") from error
    except aiohttp.ClientConnectorError as error:
        raise OllamaError(in_words(error.os_error)) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise OllamaError(f"the connection broke: {error}") from error
