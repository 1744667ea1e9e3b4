"""Which language models requests may name, and which one is the default."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechbridge.errors import Problem
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from speechbridge.generators.port import Generator
    from speechbridge.model_list import Models
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool


_LIST_TTL_S = 10.0  # a list older than this is still used, and requested again meanwhile
_RETRY_S = 1.0  # between two lists that requests wait for: the first one, and one in which a model may be new
_MAX_NAME_CHARS = 100  # of an unknown model, in the error
_LISTING_TIMEOUT_S = 3.0  # per pod: a request is waiting for it


class ModelCatalog:
    """The models of the current list or, if it has none, those of the upstream.

    Args:
        models: The current list, the default first.
        discover: Requests the list from the upstream; raises UpstreamError.
        speech_models: Names of Whisper models: rejected with a reason, unless a language model has the same name.
    """

    def __init__(
        self,
        models: Models,
        discover: Callable[[], Awaitable[tuple[str, ...]]],
        clock: Callable[[], float],
        speech_models: Collection[str] = (),
    ) -> None:
        self._models = models
        self._discover = discover
        self._clock = clock
        self._speech_models = speech_models
        self._found: tuple[str, ...] | None = None
        self._error: UpstreamError | None = None
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def names(self) -> tuple[str, ...]:
        """Return the models, the default first; a list that has expired is renewed in the background.

        Raises:
            UpstreamError: The list has none, and the upstream has not responded yet.
        """
        if listed := self._models.current.names:
            return listed
        age = self._clock() - self._asked_at
        if self._found is None:
            if age > _RETRY_S or self._asking:
                await asyncio.shield(self._ask())
        elif age > _LIST_TTL_S:
            self._ask()
        if self._found is None:
            raise self._error or UpstreamError(FailureKind.CONNECT, "no pod can be reached")
        return self._found

    async def choose(self, name: str | None) -> str | None:
        """Return the model for a request that names `name`, or names none.

        Without a response of the upstream the name is not checked, and the default is unknown: None.

        Raises:
            Problem: `model_not_found`.
        """
        listed = self._models.current.names
        try:
            names = listed or await self.names()
        except UpstreamError:
            return name
        if name is None:
            return names[0] if names else None
        if known := _found_in(names, name):
            return known
        if not listed and self._clock() - self._asked_at > _RETRY_S:
            await asyncio.shield(self._ask())  # it may have been pulled since
            names = self._found or names
            if known := _found_in(names, name):
                return known
        available = ", ".join(names) or "none yet"
        if name in self._speech_models:
            detail = f"'{name}' transcribes speech; language models available: {available}."
        else:
            detail = f"The model '{name[:_MAX_NAME_CHARS]}' does not exist; available: {available}."
        raise Problem("model_not_found", detail, param="model")

    def _ask(self) -> asyncio.Task[None]:
        """Return the task that requests the list; there is at most one."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._renew())
        return self._asking

    async def _renew(self) -> None:
        try:
            self._found = await self._discover()
        except UpstreamError as error:
            self._error = error
        finally:
            self._asked_at = self._clock()
            self._asking = None


def _found_in(names: tuple[str, ...], name: str) -> str | None:
    wanted = name.removesuffix(":latest")
    for known in names:
        if known.removesuffix(":latest") == wanted:
            return known
    return None


def missing_models(configured: tuple[str, ...], present: tuple[str, ...]) -> list[str]:
    """Return the configured models that the upstream lacks; to Ollama, `llama3` means `llama3:latest`."""
    return [name for name in configured if not {name, f"{name}:latest"} & set(present)]


async def ask_for_models(generator: Generator, llm: Pool) -> tuple[str, ...]:
    """Return the models of the pod that responds first; all are asked at once."""
    failure = UpstreamError(FailureKind.CONNECT, "no pod can be reached")
    tasks = [asyncio.create_task(_listed(generator, endpoint)) for endpoint in llm.endpoints]
    try:
        for answer in asyncio.as_completed(tasks):
            try:
                return await answer
            except UpstreamError as error:
                failure = error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise failure


async def _listed(generator: Generator, endpoint: Endpoint) -> tuple[str, ...]:
    try:
        async with asyncio.timeout(_LISTING_TIMEOUT_S):
            return await generator.models(endpoint)
    except TimeoutError:
        raise UpstreamError(FailureKind.TIMEOUT, f"no list of models within {_LISTING_TIMEOUT_S:g} s") from None
