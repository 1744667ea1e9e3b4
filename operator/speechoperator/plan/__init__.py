"""The plan: what to do about one pipeline, decided from a snapshot and nothing else.

`plan` is pure: equal inputs give equal plans, and once a plan has been carried out, the next one writes nothing. The
possible actions are in `speechoperator.plan.actions`.
"""

from __future__ import annotations

from speechoperator.plan.actions import (
    AnnotatePod,
    Apply,
    Delete,
    Event,
    Orphan,
    Plan,
    PodCost,
    ResumeRollout,
    Scale,
    StartPull,
    StopPull,
)
from speechoperator.plan.decide import plan
from speechoperator.plan.interrupted import failed, unlisted
from speechoperator.plan.rejected import rejected

__all__ = [
    "AnnotatePod",
    "Apply",
    "Delete",
    "Event",
    "Orphan",
    "Plan",
    "PodCost",
    "ResumeRollout",
    "Scale",
    "StartPull",
    "StopPull",
    "failed",
    "plan",
    "rejected",
    "unlisted",
]
