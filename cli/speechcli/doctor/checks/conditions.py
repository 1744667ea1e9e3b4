"""What the operator says of the pipeline: its conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.verdicts import fault, ok, warning
from speechcli.pipeline import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts
    from speechcli.doctor.verdicts import Verdict
    from speechcli.pipeline import Condition

AREA = "conditions"
NOTED_IF_TRUE = ("PVCsOrphaned", "UpdateAvailable")


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the conditions."""
    found = state(facts.pipeline)
    if not found.conditions:
        yield fault(
            AREA,
            "the operator has not looked at the pipeline",
            "kubectl logs --namespace speechpipeline --selector app.kubernetes.io/name=speechpipeline-operator",
        )
        return
    if not found.current:
        yield warning(
            AREA,
            "the status describes an older spec: wait; if it lasts, look at the operator's log",
            f"kubectl speech status {facts.name} -w",
        )
    stalled = any(one.type == "Stalled" and one.status == "True" for one in found.conditions)
    for one in found.unmet:
        yield _unmet(one, serves=found.ready, stalled=stalled)
    for one in found.conditions:
        if one.type in NOTED_IF_TRUE and one.status == "True":
            yield warning(AREA, f"{one.type} ({one.reason}): {one.message}", _explained(one.reason))
    if found.ready and not found.unmet:
        yield ok(AREA, "all conditions are met")


def _unmet(one: Condition, *, serves: bool, stalled: bool) -> Verdict:
    """Judge a condition that is not met; a pipeline that serves may be slow, or not as large as it should be."""
    text = f"{one.type} is {one.status} ({one.reason}): {one.message}"
    if one.intended:
        return ok(AREA, text)
    passes = serves or one.temporary or (one.type == "Ready" and not stalled)
    return (warning if passes else fault)(AREA, text, _explained(one.reason))


def _explained(reason: str) -> str:
    return f"docs/reference/conditions.md explains {reason}" if reason else ""
