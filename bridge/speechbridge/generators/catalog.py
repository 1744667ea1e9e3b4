"""Which language models requests may name, and which one is the default."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speechbridge.errors import Problem
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.generators.port import Generator
    from speechbridge.upstreams.pool import Pool


_LIST_TTL_S = 10.0  # how long a list from the upstream is valid
_LISTING_TIMEOUT_S = 3.0  # per pod: a request is waiting for it


class ModelCatalog:
    """The models in the settings or, if these list none, those of the upstream.

    Args:
        configured: The names from the settings, the first being the default.
        discover: Requests the list from the upstream; raises UpstreamError.
    """

    def __init__(
        self,
        configured: tuple[str, ...],
        discover: Callable[[], Awaitable[tuple[str, ...]]],
        clock: Callable[[], float],
    ) -> None:
        self._configured = configured
        self._discover = discover
        self._clock = clock
        self._found: tuple[str, ...] = ()
        self._found_at = float("-inf")

    async def names(self) -> tuple[str, ...]:
        """Return the models, the default first.

        Raises:
            UpstreamError: The settings list none, and the upstream does not respond.
        """
        if self._configured:
            return self._configured
        if self._clock() - self._found_at > _LIST_TTL_S:
            self._found = await self._discover()
            self._found_at = self._clock()
        return self._found

    async def choose(self, name: str | None) -> str | None:
        """Return the model for a request that names `name`, or names none.

        Without a response of the upstream the name is not checked, and the default is unknown: None.

        Raises:
            Problem: `unknown_model`.
        """
        try:
            names = await self.names()
        except UpstreamError:
            return name
        if name is None:
            return names[0] if names else None
        for known in names:
            if name.removesuffix(":latest") == known.removesuffix(":latest"):
                return known
        available = ", ".join(names) or "none yet"
        raise Problem("unknown_model", f"The model '{name}' does not exist; available: {available}.", param="model")


def missing_models(configured: tuple[str, ...], present: tuple[str, ...]) -> list[str]:
    """Return the configured models that the upstream lacks; to Ollama, `llama3` means `llama3:latest`."""
    return [name for name in configured if not {name, f"{name}:latest"} & set(present)]


async def ask_for_models(generator: Generator, llm: Pool) -> tuple[str, ...]:
    """Return the models of the first pod that responds."""
    failure = UpstreamError(FailureKind.CONNECT, "no pod can be reached")
    for endpoint in llm.endpoints:
        try:
            async with asyncio.timeout(_LISTING_TIMEOUT_S):
                return await generator.models(endpoint)
        except UpstreamError as error:
            failure = error
        except TimeoutError:
            failure = UpstreamError(FailureKind.TIMEOUT, f"no list of models within {_LISTING_TIMEOUT_S:g} s")
    raise failure
