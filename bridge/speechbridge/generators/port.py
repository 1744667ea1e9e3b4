"""The port to language models and its types; one module per protocol implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from speechbridge.generators.options import GenerationOptions
    from speechbridge.generators.prompt import Message
    from speechbridge.upstreams.endpoint import Endpoint

    OnText = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a language model is asked: its name, the messages, and how to answer."""

    model: str
    messages: list[Message]
    options: GenerationOptions


@dataclass(frozen=True, slots=True)
class Completion:
    """How an answer ended.

    Attributes:
        finish_reason: `stop`, `length`, or another reason of the model server.
        prompt_tokens, completion_tokens: Numbers of tokens, None if the server reports none.
        overflowed: Whether the start of the prompt was cut off to fit the context.
    """

    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    overflowed: bool = False


class Generator(Protocol):
    """One protocol of language model servers."""

    async def generate(
        self, endpoint: Endpoint, request: GenerationRequest, headers: str, on_text: OnText
    ) -> Completion:
        """Generate an answer; return how it ended.

        Args:
            endpoint: The pod.
            request: The prompt.
            headers: Header lines to forward, each terminated by CRLF.
            on_text: Receives the text as it arrives; what arrived together is one piece. An empty piece means that the
                model makes progress without text: it reasons.

        Raises:
            UpstreamError: The server failed, or rejected the request.
        """

    async def prefill(self, endpoint: Endpoint, request: GenerationRequest, headers: str) -> None:
        """Load the model and evaluate the messages, with the same options as `generate`."""

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the available models, those that only make embeddings last; also the readiness probe."""
