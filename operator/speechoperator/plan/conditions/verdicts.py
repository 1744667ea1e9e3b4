"""Verdicts: the status, reason and message of a condition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechoperator.plan.conditions.reasons import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.plan.conditions.reasons import Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """The content of a condition.

    Attributes:
        status: True, False, or None for Unknown.
        reason: The reason.
        message: Human-readable details.
    """

    status: bool | None
    reason: Reason
    message: str

    @property
    def is_finding(self) -> bool:
        """Whether it is False because of a finding."""
        return not self.status and self.reason.kind is Kind.FINDING

    def about(self, subject: str) -> Verdict:
        """Return the verdict with its subject in the message, for a condition of the whole pipeline."""
        return replace(self, message=f"{subject}: {self.message}")


def most_useful(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the verdict that is most useful to report: the first of the lowest rank."""
    return min(verdicts, key=lambda verdict: verdict.reason.rank, default=None)
