"""Which models are where, which one is pulled next, and which Ollama pods may take requests.

A volume is what a pull fills: a claim, which all pods that mount it share, or the disk of one pod. Into one volume one
pull runs at a time. Where Ollama runs elsewhere (`url`) nothing is pulled: its models are looked at only.

Callers keep what they have: a pipeline that runs offers a new model, or another default, only once it is there, and
its pods take requests while the new one is pulled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechoperator.plan.actions import StopPull
from speechoperator.plan.models import names, pulls
from speechoperator.plan.models.ollama_pods import ollama_pods, running, silent
from speechoperator.plan.models.readiness_gate import gate
from speechoperator.plan.models.states import ModelState, offered, state_elsewhere, state_of
from speechoperator.plan.snapshot import EXTERNAL
from speechoperator.plan.text import clipped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from speechoperator.api import Ollama, Spec
    from speechoperator.plan.actions import SetGate, StartPull
    from speechoperator.plan.snapshot import Snapshot

_ASK_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Models:
    """What is to be done about a pipeline's models, and how they stand.

    Attributes:
        states: How each stands, in the order of the spec.
        offered: What the bridge is to offer, the default first; None: all that the spec names.
        pulls: As in `Plan`, like the next two.
        stops: Pulls to end.
        gates: Readiness gates to set.
        silent: Which Ollama is up and yet cannot be asked, and why; empty where there is none.
        requeue_after: Seconds until time alone changes this, None where it does not.
    """

    states: tuple[ModelState, ...] = ()
    offered: tuple[str, ...] | None = None
    pulls: tuple[StartPull, ...] = ()
    stops: tuple[StopPull, ...] = ()
    gates: tuple[SetGate, ...] = ()
    silent: str = ""
    requeue_after: float | None = None


def models(spec: Spec, snapshot: Snapshot, now: datetime, port: int, offers: Sequence[str] = ()) -> Models:
    """Decide about the models of a pipeline.

    Args:
        spec: What is wanted.
        snapshot: What is there. Pods of other parts are passed over.
        now: The time, for retries.
        port: The port of the Ollama pods.
        offers: The models that the bridges offer now, the default first; empty before there are bridges.
    """
    ollama = spec.ollama
    if not ollama.managed:
        return _elsewhere(ollama, snapshot, offers)
    if spec.suspend:
        states = tuple(ModelState(model.name, "Pending") for model in ollama.models)
        stops = tuple(StopPull(*key, "the pipeline is suspended") for key in sorted(snapshot.pulls))
        return Models(states, stops=stops)  # nobody calls: the bridges may know of the new models at once
    pods = ollama_pods(snapshot)
    states = tuple(state_of(model, pods, snapshot) for model in ollama.models)
    usable = offered(states, offers)
    default = usable[0] if usable else ollama.models[0].name
    start, waits = pulls.starts(ollama, pods, snapshot, now, port)
    if any(not pod.asked and running(pod.raw) for pod in pods):
        waits.append(_ASK_AGAIN)
    return Models(
        states,
        usable,
        pulls=start,
        stops=pulls.ends(ollama, pods, snapshot),
        gates=tuple(change for pod in pods if (change := gate(ollama, pod, default))),
        silent=silent(pods, snapshot),
        requeue_after=min(waits, default=None),
    )


def _elsewhere(ollama: Ollama, snapshot: Snapshot, offers: Sequence[str]) -> Models:
    """Look at an Ollama that runs elsewhere."""
    stops = tuple(StopPull(*key, "Ollama runs elsewhere now") for key in sorted(snapshot.pulls))
    said = snapshot.ollama.get(EXTERNAL)
    if said is None or not said.reachable:
        states = tuple(ModelState(model.name, "Pending") for model in ollama.models)
        quiet = f"{ollama.url} does not say which models it has: {clipped(said.detail)}" if said else ""
        return Models(states, offered(states, offers), stops=stops, silent=quiet)
    there = {names.canonical(name) for name in said.models}
    states = tuple(state_elsewhere(model, there, ollama.url or "") for model in ollama.models)
    return Models(states, offered(states, offers), stops=stops)
