"""The plan: what to do about one pipeline, decided from what was observed and nothing else.

`plan` is pure: the same input gives the same plan, and after a plan was carried out the next one writes nothing. What a
plan may ask for is in `speechoperator.actions`.
"""

from __future__ import annotations

from speechoperator.plan.actions import Apply, Delete, Event, Orphan, Plan, SetGate, StartPull, StopPull
from speechoperator.plan.decide import plan
from speechoperator.plan.rejected import rejected

__all__ = ["Apply", "Delete", "Event", "Orphan", "Plan", "SetGate", "StartPull", "StopPull", "plan", "rejected"]
