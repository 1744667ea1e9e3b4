"""Findings: faults that do not pass by waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import sentences

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.plan.conditions.reasons import Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault that does not pass by waiting.

    Attributes:
        reason: A reason of the kind `FINDING`.
        subject: The object that has it: "pod support-whisper-5d8f-x2x9p", "PVC support-ollama".
        detail: What Kubernetes, Ollama or the service reported.
        advice: What to do; empty if unknown.
    """

    reason: Reason
    subject: str
    detail: str
    advice: str = ""

    @property
    def message(self) -> str:
        """Subject, detail and advice as sentences."""
        return sentences(f"{self.subject}: {self.detail}", self.advice)

    @property
    def verdict(self) -> Verdict:
        """The finding as a condition that is False."""
        return Verdict(status=False, reason=self.reason, message=self.message)

    @property
    def sort_key(self) -> tuple[int, str, str]:
        """Sorts the most useful finding first, in a stable order."""
        return self.reason.rank, self.subject, self.detail


def worst(findings: Iterable[Finding]) -> Finding | None:
    """Return the finding that is most useful to report."""
    return min(findings, key=lambda finding: finding.sort_key, default=None)
