"""Which language models callers may name, and which is meant when they name none."""

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
    """The models of the settings, or, where these name none, what the upstream has.

    Args:
        configured: The names from the settings, the first being the default.
        discover: Asks the upstream; raises UpstreamError.
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
            UpstreamError: They have to be asked for, and the upstream does not answer.
        """
        if self._configured:
            return self._configured
        if self._clock() - self._found_at > _LIST_TTL_S:
            self._found = await self._discover()
            self._found_at = self._clock()
        return self._found

    async def choose(self, name: str | None) -> str | None:
        """Return the model to use for a request that names `name`, or none.

        None when it cannot be known because the upstream does not answer: the stage that needs it will say so.

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
        raise Problem("unknown_model", f"There is no model '{name}' here; there is {_listed(names)}.", param="model")


def missing_models(configured: tuple[str, ...], present: tuple[str, ...]) -> list[str]:
    """Return the configured models that the upstream does not have; `llama3` means `llama3:latest` to Ollama."""
    return [name for name in configured if not {name, f"{name}:latest"} & set(present)]


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none yet"


async def ask_for_models(generator: Generator, llm: Pool) -> tuple[str, ...]:
    """Ask the pods one after the other for their models; the first that answers is believed."""
    failure = UpstreamError(FailureKind.CONNECT, "no pod can be reached")
    for endpoint in llm.endpoints:
        try:
            async with asyncio.timeout(_LISTING_TIMEOUT_S):
                return await generator.models(endpoint)
        except UpstreamError as error:
            failure = error
        except TimeoutError:
            failure = UpstreamError(FailureKind.TIMEOUT, "it does not say in time which models it has")
    raise failure
