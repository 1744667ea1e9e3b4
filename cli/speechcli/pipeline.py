"""The state of a SpeechPipeline, read from its status: components, models, decisions and conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPONENTS = ("whisper", "ollama", "bridge")
INTENDED = frozenset({"Suspended", "ScaledToZero", "Off", "Advisory"})
"""Reasons of conditions that are not met because the spec says so, or because the pipeline is idle."""
TEMPORARY = frozenset(
    {
        *("ModelsPulling", "WaitingForNode", "Starting", "RolloutInProgress", "WaitingForModels", "Warming"),
        *("WaitingForOllama", "NotProbed", "ListFailed", "NoDefaultIngressClass", "UpdateQueued", "Updating"),
        *("UpdateHeld", "LoadUnknown", "Retrying", "Verifying", "KeysRequired", "ExternalService"),
    }
)
"""Reasons of conditions that are not met for now: docs/reference/conditions.md."""


@dataclass(frozen=True)
class Component:
    """The progress of one component; numbers are None while unknown, and for an external service.

    `summary` is ready and desired replicas ("1/2") or "external", `reason` why there are so many, and `backlog_s` the
    seconds of audio that wait for a pod.
    """

    name: str
    summary: str
    reason: str
    desired: int | None = None
    ready: int | None = None
    backlog_s: int | None = None


@dataclass(frozen=True)
class ModelProgress:
    """The progress of one model; bytes are 0, `eta_s` and `bytes_per_second` None while unknown."""

    name: str
    stage: str
    completed: int
    total: int
    eta_s: float | None
    message: str
    bytes_per_second: int | None = None


@dataclass(frozen=True)
class Condition:
    """One condition, such as `WhisperAvailable`."""

    type: str
    status: str
    reason: str
    message: str

    @property
    def intended(self) -> bool:
        """Whether it is as the spec says, though it is not met."""
        return self.status != "True" and self.reason in INTENDED

    @property
    def temporary(self) -> bool:
        """Whether waiting is expected to help."""
        return self.status == "Unknown" or self.reason in TEMPORARY


@dataclass(frozen=True)
class Decision:
    """A decision to change the replicas of a component; `ok` is whether it was written."""

    time: str
    component: str
    before: int
    after: int
    reason: str
    ok: bool


@dataclass(frozen=True)
class State:
    """A pipeline's status at one moment; `current` is whether it describes the current spec.

    `decisions` are the latest changes of replicas, the oldest first; `bottleneck` is a component or empty.
    """

    name: str
    namespace: str
    current: bool
    url: str
    components: tuple[Component, ...]
    models: tuple[ModelProgress, ...]
    conditions: tuple[Condition, ...]
    bottleneck: str = ""
    decisions: tuple[Decision, ...] = ()

    @property
    def ready(self) -> bool:
        """Whether the pipeline answers requests."""
        return self.current and self._is_true("Ready") is not None

    @property
    def verified(self) -> Condition | None:
        """What the canary request measured; None if it has not succeeded."""
        return self._is_true("Verified")

    @property
    def unmet(self) -> tuple[Condition, ...]:
        """The conditions that are not met yet; `Ready`, which sums up the others, only if it is the only one."""
        unmet = [one for one in self.conditions if one.status != "True" and one.type != "Progressing"]
        return tuple(one for one in unmet if one.type != "Ready") or tuple(unmet)

    @property
    def waits_for_node(self) -> bool:
        """Whether pods have no node yet, which an autoscaler may still add."""
        return any(one.status != "True" and one.reason == "WaitingForNode" for one in self.conditions)

    def _is_true(self, wanted: str) -> Condition | None:
        return next((one for one in self.conditions if one.type == wanted and one.status == "True"), None)


def state(pipeline: Mapping[str, Any]) -> State:
    """Return the state of a SpeechPipeline from the API's object."""
    status, meta = pipeline.get("status") or {}, pipeline["metadata"]
    return State(
        name=meta["name"],
        namespace=meta.get("namespace", ""),
        current=status.get("observedGeneration") == meta.get("generation"),
        url=status.get("url", ""),
        components=tuple(_component(name, status[name]) for name in COMPONENTS if status.get(name) is not None),
        models=tuple(_model(model) for model in (*_weights(status), *status.get("models", ()))),
        conditions=tuple(
            Condition(one["type"], one["status"], one.get("reason", ""), one.get("message", ""))
            for one in status.get("conditions", ())
        ),
        bottleneck=status.get("bottleneck", ""),
        decisions=tuple(
            Decision(one["time"], one["component"], one["from"], one["to"], one.get("reason", ""), bool(one.get("ok")))
            for one in status.get("scalingHistory", ())
        ),
    )


def _component(name: str, component: Mapping[str, Any]) -> Component:
    return Component(
        name,
        component.get("summary", "").partition(" ")[0],  # what follows is the progress of Whisper's weights
        component.get("replicasReason", ""),
        component.get("desired"),
        component.get("ready"),
        component.get("backlogSeconds"),
    )


def _model(model: Mapping[str, Any]) -> ModelProgress:
    return ModelProgress(
        model["name"],
        model.get("stage", ""),
        model.get("completedBytes", 0),
        model.get("totalBytes", 0),
        model.get("etaSeconds"),
        model.get("message", ""),
        model.get("bytesPerSecond"),
    )


def _weights(status: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the download of Whisper's weights, which has the members of a model; none if nothing is downloaded."""
    found = (status.get("whisper") or {}).get("model")
    return ({**found, "name": f"Whisper {found['name']}"},) if found else ()
