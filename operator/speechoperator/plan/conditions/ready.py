"""The conditions Ready and Progressing, summed up from the state of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechoperator.plan.conditions.findings import worst
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict, most_useful

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.conditions.findings import Finding


_NOT_LOADED = frozenset({Reason.LOAD_FAILED, Reason.WARMING})
"""Other reasons tell of a pipeline that serves, if slowly."""


@dataclass(frozen=True, slots=True)
class PipelineState:
    """The state of a pipeline.

    Attributes:
        components: The states of Whisper, Ollama and the bridge.
        models: Whether the models are present in every pod.
        missing: Why missing models keep the pipeline from being ready; None if they do not.
        exposed: Whether the bridge is exposed; None if no exposure is wanted.
        refused: Findings about refused writes, and about moves to PVCs that cannot be used.
        retrying: Transient failures of writes; None if there are none.
        held_back: What a held back change is waiting for; empty if none is held back.
        suspended: Whether the pipeline is suspended.
        url: The URL of the bridge.
        unreadable: Which kind of object cannot be listed; None if all can.
        unverified: Why new pods are not verified yet; None if Ready need not wait for that.
        loaded: Whether the models are in memory; None if that does not matter.
    """

    components: Sequence[ComponentState]
    models: Verdict
    missing: Verdict | None
    exposed: Verdict | None
    refused: Sequence[Finding]
    retrying: Verdict | None
    held_back: str
    suspended: bool
    url: str
    unreadable: Verdict | None = None
    unverified: Verdict | None = None
    loaded: Verdict | None = None


def ready(state: PipelineState) -> Verdict:
    """Return whether the pipeline serves requests and matches its spec, or else the most useful obstacle.

    A pipeline that is suspended, or scaled to zero by its spec, is as it should be: tools that wait for it, such as
    Argo CD, must not wait forever.
    """
    obstacles = list(_obstacles(state))
    idle = most_useful(verdict for verdict in obstacles if verdict.reason is Reason.SCALED_TO_ZERO)
    obstacle = most_useful(verdict for verdict in obstacles if verdict.reason is not Reason.SCALED_TO_ZERO)
    if state.suspended and not (obstacle and obstacle.is_finding):
        message = "all components are scaled to zero; PVCs are kept"
        return Verdict(status=True, reason=Reason.SUSPENDED, message=message)
    if obstacle:
        # Unknown is not ready: people wait for Ready to become True.
        return replace(obstacle, status=False)
    if idle:
        return Verdict(status=True, reason=Reason.IDLE, message=idle.message)
    return Verdict(status=True, reason=Reason.READY, message=f"serving at {state.url}")


def progressing(state: PipelineState) -> Verdict:
    """Return whether the pipeline is moving towards its spec; False both when it is up to date and when it is stuck."""
    if change := most_useful(_changes(state)):
        return change
    if state.unreadable:
        return state.unreadable
    if state.suspended:
        return Verdict(status=False, reason=Reason.SUSPENDED, message="all components are scaled to zero")
    return Verdict(status=False, reason=Reason.UP_TO_DATE, message="all components match the spec")


def _obstacles(state: PipelineState) -> Iterator[Verdict]:
    if finding := worst(state.refused):
        yield finding.verdict
    for component in state.components:
        if not component.available.status:
            yield component.available.about(component.component)
        elif component.rollout:
            yield component.rollout
    if state.missing:
        yield state.missing.about("models")
    if state.loaded and state.loaded.reason in _NOT_LOADED:
        yield state.loaded.about("models")
    if state.exposed and state.exposed.status is False:  # unknown: it may well work
        yield state.exposed.about("exposure")
    if state.held_back:
        yield Verdict(status=False, reason=Reason.ROLLOUT_IN_PROGRESS, message=state.held_back)
    if state.unverified:
        yield state.unverified


def _changes(state: PipelineState) -> Iterator[Verdict]:
    if finding := worst(state.refused):
        yield finding.verdict
    if state.retrying:
        yield state.retrying
    yield from (verdict for component in state.components if (verdict := _component_change(component)))
    if state.models.reason is Reason.PULL_FAILED:
        yield state.models.about("models")
    elif state.models.reason is Reason.MODELS_PULLING:
        yield replace(state.models, status=True)
    if state.loaded and state.loaded.reason in _NOT_LOADED:
        yield replace(state.loaded.about("models"), status=state.loaded.reason is Reason.WARMING)
    if state.held_back:
        yield Verdict(status=True, reason=Reason.ROLLOUT_IN_PROGRESS, message=state.held_back)


def _component_change(component: ComponentState) -> Verdict | None:
    if component.desired is None:
        return None
    available = component.available.about(component.component)
    if component.available.is_finding:
        return available
    if component.rollout or component.shortage:
        return component.rollout or component.shortage
    if component.available.reason in {Reason.STARTING, Reason.WAITING_FOR_NODE, Reason.WAITING_FOR_MODELS}:
        return replace(available, status=True)
    return None
