"""Ready, and whether anything is still on its way: the verdicts on the parts, summed up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechoperator.plan.conditions.verdicts import Verdict, worst

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.conditions.verdicts import Problem


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found out about a pipeline.

    Attributes:
        parts: Whisper, Ollama, the bridge.
        models: Whether the models are there.
        exposed: Whether the way from outside is there; None where none is asked for.
        refused: Writes that the API server refused for good.
        trouble: Writes that failed and are tried again; None where there is none.
        held: What a change waits for before it is carried out; empty where nothing waits.
        suspended: Whether the pipeline is stopped.
        url: Where it answers.
    """

    parts: Sequence[ComponentState]
    models: Verdict
    exposed: Verdict | None
    refused: Sequence[Problem]
    trouble: Verdict | None
    held: str
    suspended: bool
    url: str


def ready(found: Findings) -> Verdict:
    """Return whether the pipeline serves, and is what its spec says: the worst of what stands in the way, if any."""
    in_the_way = sorted(_in_the_way(found), key=lambda verdict: verdict.rank)
    if found.suspended and not (in_the_way and in_the_way[0].problem):
        return Verdict(holds=False, reason="Suspended", message="suspend is true: nothing runs, the caches stay")
    if in_the_way:
        # Not known is not ready: a person waits for Ready to be True, whatever else it may be.
        return Verdict(holds=False, reason=in_the_way[0].reason, message=in_the_way[0].message)
    return Verdict(holds=True, reason="Ready", message=f"answers at {found.url}")


def progressing(found: Findings) -> Verdict:
    """Return whether something is on its way to what the spec says; False both where all is done and where it hangs."""
    found_out = sorted(_on_its_way(found), key=lambda verdict: verdict.rank)
    if found_out:
        return found_out[0]
    if found.suspended:
        return Verdict(holds=False, reason="Suspended", message="nothing runs")
    return Verdict(holds=False, reason="Settled", message="all is as the spec says")


def _in_the_way(found: Findings) -> Iterator[Verdict]:
    if problem := worst(found.refused):
        yield problem.verdict
    for part in found.parts:
        if not part.available.holds:
            yield part.available.of(part.part)
        elif part.rollout:
            yield part.rollout
    if not found.models.holds:
        yield found.models.of("models")
    if found.exposed and not found.exposed.holds:
        yield found.exposed.of("exposure")
    if found.held:
        yield Verdict(holds=False, reason="RolloutInProgress", message=found.held)


def _on_its_way(found: Findings) -> Iterator[Verdict]:
    if problem := worst(found.refused):
        yield problem.verdict
    if found.trouble:
        yield found.trouble
    yield from (verdict for part in found.parts if (verdict := _part_on_its_way(part)))
    if found.models.reason == "PullFailed":
        yield found.models.of("models")
    elif found.models.reason == "ModelsPulling":
        yield Verdict(holds=True, reason="ModelsPulling", message=found.models.message)
    if found.held:
        yield Verdict(holds=True, reason="RolloutInProgress", message=found.held)


def _part_on_its_way(part: ComponentState) -> Verdict | None:
    if part.desired is None:
        return None
    available = part.available.of(part.part)
    if part.available.problem:
        return available
    if part.rollout or part.shortage:
        return part.rollout or part.shortage
    if part.available.reason in {"Starting", "WaitingForModels"}:
        return replace(available, holds=True)
    return None
