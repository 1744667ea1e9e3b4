"""The decision: replicas of Whisper and Ollama, with the reason, and the memory for the next one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechoperator.plan.scaling.bottleneck import bottleneck
from speechoperator.plan.scaling.budget import Want, allocate
from speechoperator.plan.scaling.history import Averages, Change, History, Track
from speechoperator.plan.scaling.need import Need, ollama_need, whisper_need
from speechoperator.plan.scaling.replicas import Limit, Proposal, propose
from speechoperator.plan.scaling.schedule import applying

if TYPE_CHECKING:
    from speechoperator.plan.scaling.load import Load, Loads
    from speechoperator.plan.scaling.spec import Bounds, OllamaScaling, ScalingSpec, WhisperScaling
    from speechoperator.plan.scaling.state import ComponentState, ScaledComponent, States

BUSY_INTERVAL_S = 5.0
"""Seconds until the next decision while there are requests, besides those that a changed load causes."""

IDLE_INTERVAL_S = 15.0

AS_STARTED = "as many as it started with"
"""Why a component has its replicas before the first change."""


@dataclass(frozen=True, slots=True)
class ComponentDecision:
    """The replicas of one component.

    Attributes:
        replicas: Replicas to run.
        need: Replicas that the load needs, as a real number; None if unknown.
        reason: Why this number: of the change, if this decision is one, else of the last change.
        limits: What limits the number, in words; it varies only with what it names.
        limited_by: Which limits keep the component from getting what its load needs.
    """

    replicas: int
    need: float | None
    reason: str
    limits: tuple[str, ...] = ()
    limited_by: frozenset[Limit] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about the replicas of a pipeline.

    Attributes:
        whisper: Replicas of Whisper; None if they are not ours to decide.
        ollama: Replicas of Ollama; None if they are not ours to decide.
        changes: What changes, in the order in which it is to be written: fewer replicas before more.
        write: Whether to write the changes; False in the mode Advisory.
        bottleneck: The component that limits the pipeline; None if none does.
        history: The memory for the next decision.
        requeue_after: Seconds until the next decision is due, unless a load with held requests arrives.
    """

    whisper: ComponentDecision | None
    ollama: ComponentDecision | None
    changes: tuple[Change, ...]
    write: bool
    bottleneck: ScaledComponent | None
    history: History
    requeue_after: float | None


@dataclass(frozen=True, slots=True)
class _Component:
    """Everything about one component on the way to its decision.

    Attributes:
        name: Its name.
        scaling: What the user wants.
        bounds: The replicas it may have, with what a schedule adds.
        state: Its pods; in the mode Advisory as if what was advised had been written.
        need: What its load needs; None if the load is unknown.
        proposal: What it gets without a budget.
    """

    name: ScaledComponent
    scaling: WhisperScaling | OllamaScaling
    bounds: Bounds
    state: ComponentState
    need: Need | None
    proposal: Proposal


def scale(spec: ScalingSpec, loads: Loads, states: States, history: History, now: float) -> Decision:
    """Decide the replicas of a pipeline.

    Equal arguments give equal decisions. With the mode Off nothing is decided. With the mode Advisory the replicas that
    were advised last count as the current ones, as if they had been written: the rules of time are about these.

    Args:
        spec: What the user wants.
        loads: The loads of the components.
        states: Their pods.
        history: The memory of the last decision, or `History.from_status` for a new leader.
        now: The time in seconds since the epoch.
    """
    if spec.mode == "Off":
        return Decision(None, None, (), write=False, bottleneck=None, history=history, requeue_after=None)
    history, elapsed = history.at_time(now)
    write, live = spec.mode == "Auto", {"whisper": states.whisper.desired, "ollama": states.ollama.desired}
    if not write:
        states = replace(
            states,
            whisper=_as_advised(states.whisper, history.whisper),
            ollama=_as_advised(states.ollama, history.ollama),
        )
    components = []
    if spec.whisper:
        components.append(_whisper(spec, spec.whisper, loads.whisper, states.whisper, history.whisper, now, elapsed))
    if spec.ollama:
        components.append(_ollama(spec, spec.ollama, loads, states.ollama, history, now, elapsed))
    wants = tuple(_want(component, history, now, write=write) for component in components)
    granted = allocate(wants, spec.gpu_budget)
    decided = {component.name: replicas for component, replicas in zip(components, granted, strict=True)}
    changes = sorted(
        (
            change
            for component in components
            if (
                change := _change(
                    component, live[component.name], decided[component.name], now, spec.gpu_budget, write=write
                )
            )
        ),
        key=lambda change: change.after - change.before,
    )
    history = history.add(changes)
    for component in components:
        replicas = decided[component.name]
        track = replace(
            _with_event(component, replicas, now),
            advised=None if write or replicas == live[component.name] else replicas,
        )
        history = replace(history, whisper=track) if component.name == "whisper" else replace(history, ollama=track)
    decisions = {
        component.name: _decision(component, decided[component.name], history, spec) for component in components
    }
    needs = {component.name: component.need.replicas if component.need else None for component in components}
    ready = {component.name: component.state.ready for component in components}
    return Decision(
        whisper=decisions.get("whisper"),
        ollama=decisions.get("ollama"),
        changes=tuple(changes),
        write=write,
        bottleneck=bottleneck(needs, ready),
        history=history,
        requeue_after=_requeue_after(components, loads),
    )


def _as_advised(state: ComponentState, track: Track) -> ComponentState:
    """Return a component as if what was advised had been written, without the pods that others order meanwhile."""
    if track.advised is None or track.advised == state.desired:
        return state
    return replace(state, desired=track.advised, starting=0, pending=0, unschedulable=0)


def _whisper(
    spec: ScalingSpec,
    scaling: WhisperScaling,
    load: Load,
    state: ComponentState,
    track: Track,
    now: float,
    elapsed: float,
) -> _Component:
    need = None
    if load.known(now):
        need = whisper_need(scaling, load, state.ready, state.startup, track.averages, elapsed)
        track = _observed(track, need.averages, scaling, state, now, active=bool(load.requests))
    return _component("whisper", spec, scaling, state, need, track, now)


def _ollama(
    spec: ScalingSpec,
    scaling: OllamaScaling,
    loads: Loads,
    state: ComponentState,
    history: History,
    now: float,
    elapsed: float,
) -> _Component:
    """Ollama starts from zero together with Whisper, so that the two startup times do not add up."""
    need, track = None, history.ollama
    if loads.ollama.known(now):
        transcribed = _transcribed_first(loads, now)
        usual = history.whisper.averages or Averages(working=loads.whisper.working or 0.0)
        coming = min(transcribed, max(0.0, (loads.whisper.working or 0.0) - usual.working))
        if transcribed and state.desired == 0:
            coming = max(coming, 1.0)
        need = ollama_need(scaling, loads.ollama, coming, track.averages, elapsed)
        active = bool(loads.ollama.requests) or bool(transcribed)
        track = _observed(track, need.averages, scaling, state, now, active=active)
    return _component("ollama", spec, scaling, state, need, track, now)


def _transcribed_first(loads: Loads, now: float) -> float:
    """Return the requests that Ollama gets after Whisper.

    An older bridge does not report them: then an answer may follow each transcription. If these only woke Ollama and
    did not keep it running, it would go to zero and back repeatedly.
    """
    if loads.ollama.coming is not None:
        return loads.ollama.coming
    return (loads.whisper.requests or 0.0) if loads.whisper.known(now) else 0.0


def _observed(
    track: Track,
    averages: Averages,
    scaling: WhisperScaling | OllamaScaling,
    state: ComponentState,
    now: float,
    *,
    active: bool,
) -> Track:
    """Remember the load. A new leader observes it for a stable window before it scales down."""
    highs, active_at = track.highs, track.active_at
    if track.averages is None:
        behavior = scaling.behavior
        highs = (*highs, (now - max(0.0, behavior.down.window - behavior.stable_window), state.desired))
        active_at = now if state.desired else active_at  # the last request may have come after the last change
    if state.desired == 0 and not active:
        averages = Averages(audio_seconds=averages.audio_seconds, speed=averages.speed, weight=0.0)
    starts = state.desired > 0 and not state.ready and (state.starting or state.pending)  # to be idle, it has to run
    return replace(track, averages=averages, highs=highs, active_at=now if active or starts else active_at)


def _component(
    name: ScaledComponent,
    spec: ScalingSpec,
    scaling: WhisperScaling | OllamaScaling,
    state: ComponentState,
    need: Need | None,
    track: Track,
    now: float,
) -> _Component:
    bounds = _raised(scaling.bounds, state.start, state.start_reason)
    if scheduled := applying(spec.schedules, name, now, state.startup):
        bounds = _raised(bounds, scheduled.minimum, f"schedule {scheduled.name} asks for {scheduled.minimum}")
    if state.start:
        track = replace(track, active_at=now)
    proposal = propose(bounds, scaling.behavior, state, need, track, now)
    return _Component(name, scaling, bounds, state, need, proposal)


def _raised(bounds: Bounds, minimum: int, why: str) -> Bounds:
    """Raise the minimum, within the maximum."""
    raised = min(minimum, bounds.maximum)
    return replace(bounds, minimum=raised, why=why) if raised > bounds.minimum else bounds


def _want(component: _Component, history: History, now: float, *, write: bool) -> Want:
    need, last = component.need.replicas if component.need else None, history.last(component.name, written=write)
    moving = component.state.starting or component.state.pending
    quiet = last is None or now - last.time >= component.scaling.behavior.down.window
    return Want(
        replicas=component.proposal.replicas,
        minimum=component.bounds.minimum,
        need=component.proposal.replicas if need is None else need,
        current=component.state.desired,
        occupied=component.state.occupied,
        gpus=component.bounds.gpus,
        settled=quiet and not moving,
    )


def _change(
    component: _Component, live: int, replicas: int, now: float, budget: int | None, *, write: bool
) -> Change | None:
    current = component.state.desired
    if replicas == current:
        return None
    reason = component.proposal.reason
    if replicas < min(current, component.proposal.replicas):
        reason = f"gpuBudget is {budget}"
    return Change.decided(component.name, live, replicas, reason, now, ok=write)


def _with_event(component: _Component, replicas: int, now: float) -> Track:
    track, period = component.proposal.track, component.scaling.behavior.longest_period
    events = tuple(event for event in track.events if now - event[0] < period)
    if added := replicas - component.state.desired:
        events += ((now, added),)
    return replace(track, events=events)


def _decision(component: _Component, replicas: int, history: History, spec: ScalingSpec) -> ComponentDecision:
    made = [change for change in history.changes if change.component == component.name and change.after == replicas]
    started = component.bounds.minimum_reason if replicas == component.bounds.minimum else AS_STARTED
    reason = made[-1].reason if made else started
    limits, limited_by = component.proposal.limits, component.proposal.limited_by
    if replicas < component.proposal.replicas:
        limits, limited_by = (*limits, f"gpuBudget is {spec.gpu_budget}"), limited_by | {"budget"}
    need = component.need.replicas if component.need else None
    return ComponentDecision(replicas, need, reason, limits, limited_by)


def _requeue_after(components: list[_Component], loads: Loads) -> float | None:
    """Return when to decide again; None if time and loads change nothing."""
    if all(component.scaling.bounds.fixed for component in components):
        return None
    return BUSY_INTERVAL_S if loads.whisper.requests or loads.ollama.requests else IDLE_INTERVAL_S
