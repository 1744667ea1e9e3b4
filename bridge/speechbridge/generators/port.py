"""The port to language models, and what goes through it. One module per protocol implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from speechbridge.generators.prompt import Message
    from speechbridge.upstreams.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Completion:
    """How an answer ended.

    Attributes:
        finish_reason: `stop`, `length`, or what else the model's server calls it.
        prompt_tokens, completion_tokens: Counts, or None where the server does not tell.
        overflowed: Whether the start of the prompt was cut off to fit the context.
    """

    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    overflowed: bool = False


class Generator(Protocol):
    """One way to speak to a language model's server."""

    def generate(
        self, endpoint: Endpoint, model: str, messages: list[Message], headers: str
    ) -> AsyncGenerator[str | Completion]:
        """Yield the answer's text as it comes (all that one read brought, as one piece), then how it ended.

        Raises:
            UpstreamError: The server failed, or refused.
        """

    async def warm(self, endpoint: Endpoint, model: str, messages: list[Message], headers: str) -> None:
        """Have the model loaded and the messages evaluated, with the very options that `generate` uses."""

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the models that are there to be used; also the probe of readiness."""
