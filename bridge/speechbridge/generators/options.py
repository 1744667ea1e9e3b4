"""How a request wants the language model to answer; each protocol translates it into its own members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Effort = Literal["low", "medium", "high"]
Think = bool | Effort
EFFORTS: tuple[Effort, ...] = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class JsonFormat:
    """The answer is JSON.

    Attributes:
        schema: The JSON schema that it follows, None for any object.
        name: The schema's name, which OpenAI's API requires.
        strict: OpenAI's `strict`; None if the request does not say.
    """

    schema: dict[str, Any] | None = None
    name: str = "answer"
    strict: bool | None = None


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Options of one answer; None, or empty, leaves an option to the model server.

    Attributes:
        temperature: Sampling temperature, from 0 to 2.
        max_tokens: Maximum number of tokens of the answer, reasoning included.
        seed: Seed of the random numbers.
        stop: Texts before which the answer ends.
        json_format: That the answer is JSON.
        keep_alive: How long Ollama keeps the model in memory, as in the setting KEEP_ALIVE.
        think: Whether, or how much, a reasoning model reasons before it answers.
    """

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    json_format: JsonFormat | None = None
    keep_alive: str | None = None
    think: Think | None = None


def think_of(text: str) -> Think | None:
    """Return what `true`, `false`, `low`, `medium` or `high` means; None for anything else."""
    if text in {"true", "false"}:
        return text == "true"
    return next((effort for effort in EFFORTS if effort == text), None)
