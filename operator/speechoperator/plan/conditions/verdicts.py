"""How a thing stands, in the terms of a condition, and what stands in its way.

Reasons are part of the interface: people and alerts match on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechoperator.plan.text import sentences

if TYPE_CHECKING:
    from collections.abc import Iterable

from speechoperator.plan.conditions.reasons import _RANK, PROBLEMS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a condition says.

    Attributes:
        holds: True, False, or None where nobody knows.
        reason: CamelCase.
        message: In words.
    """

    holds: bool | None
    reason: str
    message: str = ""

    @property
    def problem(self) -> bool:
        """Whether it needs a person."""
        return not self.holds and self.reason in PROBLEMS

    @property
    def rank(self) -> int:
        """Sorts what is most useful to know first."""
        return _RANK.get(self.reason, len(_RANK))

    def of(self, subject: str) -> Verdict:
        """Return the verdict as one about a part of the whole."""
        return replace(self, message=f"{subject}: {self.message}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not get better by waiting.

    Attributes:
        reason: One of `PROBLEMS`.
        subject: What has it: "pod support-whisper-5d8f-x2x9p", "claim support-ollama".
        words: What Kubernetes, Ollama or the service said.
        advice: What a person can do, empty where nothing is known.
    """

    reason: str
    subject: str
    words: str
    advice: str = ""

    @property
    def message(self) -> str:
        """All of it in words."""
        return sentences(f"{self.subject}: {self.words}", self.advice)

    @property
    def verdict(self) -> Verdict:
        """The condition's False."""
        return Verdict(holds=False, reason=self.reason, message=self.message)

    @property
    def order(self) -> tuple[int, str, str]:
        """Sorts the most useful problem first, equal ones always the same way."""
        return _RANK[self.reason], self.subject, self.words


def worst(problems: Iterable[Problem]) -> Problem | None:
    """Return the most useful problem to know."""
    return min(problems, key=lambda problem: problem.order, default=None)
