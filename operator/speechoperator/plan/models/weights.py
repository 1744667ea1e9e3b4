"""The weights of Whisper: how far the init containers that fetch them are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from speechoperator.api import labels
from speechoperator.api.names import FETCH
from speechoperator.kube import objects
from speechoperator.plan.text import log_tail

if TYPE_CHECKING:
    from speechoperator.kube.objects import Object
    from speechoperator.plan.snapshot import Fetch, Snapshot

Stage: TypeAlias = Literal["Pending", "Pulling", "Ready", "Failed"]

_PERCENT = 100
_SIGNIFICANT_DIGITS = 2


@dataclass(frozen=True, slots=True)
class WeightsState:
    """The state of the weights over all pods.

    Attributes:
        stage: "Ready" if every pod has them.
        completed: Bytes downloaded by the pod with the least progress, rounded down to a percent; 0 while unknown.
        total: Total bytes of that download; 0 while unknown.
        rate: Its bytes per second, to two digits; None while unknown.
        eta: Its seconds left, to two digits; None while unknown.
        message: What failed, and what to do.
    """

    stage: Stage
    completed: int = 0
    total: int = 0
    rate: int | None = None
    eta: int | None = None
    message: str = ""


def weights_state(snapshot: Snapshot) -> WeightsState | None:
    """Return the state of the weights; None if no pod has an init container that fetches them."""
    stages = _stages(snapshot)
    if not stages:
        return None
    for pod in snapshot.pods:
        if stages.get(objects.name(pod)) == "Failed":
            return WeightsState("Failed", message=failure(objects.init_container(pod, FETCH) or {}))
    found = set(stages.values())
    if "Pulling" in found:
        running = [
            snapshot.fetches[name] for name, stage in stages.items() if stage == "Pulling" and name in snapshot.fetches
        ]
        return _pulling(min(running, key=_share, default=None))
    return WeightsState("Pending" if "Pending" in found else "Ready")


def fetching(snapshot: Snapshot) -> frozenset[str]:
    """Return the names of the pods that become ready once they have the weights: nothing is wrong with them.

    A download that does not get on ends by itself, with an error. A pod that waits for another one is among them while
    some pod downloads: otherwise it may wait for one that is gone.
    """
    stages = _stages(snapshot)
    fine = {"Pulling", "Pending"} if "Pulling" in stages.values() else set()
    return frozenset(
        objects.name(pod)
        for pod in snapshot.pods
        if stages.get(objects.name(pod)) in fine and _is_running(objects.init_container(pod, FETCH))
    )


def failure(container: Object) -> str:
    """Return the last error of an init container that fetches weights, empty if there is none."""
    state = container.get("state") or {}
    terminated = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    return log_tail(terminated.get("message", ""), lines=1).removeprefix("error: ")


def as_status(state: WeightsState, model: str, before: Object | None) -> dict[str, Any]:
    """Return the state as JSON. As long as nothing but the rate changes, it is the same as before.

    Args:
        state: The state.
        model: The model in the spec.
        before: The current JSON in the status, None if there is none.
    """
    found = {
        "name": model,
        "stage": state.stage,
        **({"completedBytes": state.completed, "totalBytes": state.total} if state.total else {}),
        **({} if state.rate is None else {"bytesPerSecond": state.rate}),
        **({} if state.eta is None else {"etaSeconds": state.eta}),
        **({"message": state.message} if state.message else {}),
    }
    estimates = {"bytesPerSecond", "etaSeconds"}
    same = before and all(before.get(name) == found.get(name) for name in (found.keys() | before.keys()) - estimates)
    return {**before} if before and same and estimates & before.keys() == estimates & found.keys() else found


def _fetches(pod: Object) -> bool:
    containers = pod.get("spec", {}).get("initContainers") or ()
    return (
        labels.component_of(pod) == "whisper"
        and objects.alive(pod)
        and any(container["name"] == FETCH for container in containers)
    )


def _stages(snapshot: Snapshot) -> dict[str, Stage]:
    """Return the stage in each pod with an init container that fetches weights, by the name of the pod."""
    pods = {objects.name(pod): pod for pod in snapshot.pods if _fetches(pod)}
    stages = {name: _stage(pod, snapshot.fetches.get(name)) for name, pod in pods.items()}
    downloaded = "Pulling" in stages.values()
    return {name: _stage(pod, snapshot.fetches.get(name), downloaded=downloaded) for name, pod in pods.items()}


def _stage(pod: Object, fetch: Fetch | None, *, downloaded: bool = False) -> Stage:
    """Return the stage in one pod. A failed download counts as failed until another attempt gets on.

    Args:
        pod: The pod.
        fetch: What its init container reports.
        downloaded: Whether some pod downloads, so that one that waits gets on.
    """
    if objects.containers_ready(pod):
        return "Ready"
    container = objects.init_container(pod, FETCH) or {}
    state = container.get("state") or {}
    terminated = state.get("terminated")
    if terminated is not None:
        return "Failed" if terminated.get("exitCode") else "Ready"
    failed = ((container.get("lastState") or {}).get("terminated") or {}).get("exitCode", 0) != 0
    if not _is_running(container):
        return "Failed" if failed else "Pending"
    waits = fetch is not None and fetch.stage == "waiting"
    gets_on = fetch is not None and (fetch.rate > 0 or fetch.stage == "verifying" or (waits and downloaded))
    if failed and not gets_on:
        return "Failed"
    return "Pending" if waits else "Pulling"


def _is_running(container: Object | None) -> bool:
    return "running" in ((container or {}).get("state") or {})


def _share(fetch: Fetch) -> float:
    return fetch.completed / fetch.total if fetch.total else 0.0


def _pulling(fetch: Fetch | None) -> WeightsState:
    if fetch is None or not fetch.total:
        return WeightsState("Pulling")
    percent = min(_PERCENT, _PERCENT * fetch.completed // fetch.total)
    rate = _rounded(fetch.rate) if fetch.rate > 0 else None
    left = fetch.total - fetch.completed
    eta = _rounded(left / fetch.rate) if rate and left > 0 else None
    return WeightsState("Pulling", fetch.total * percent // _PERCENT, fetch.total, rate, eta)


def _rounded(value: float) -> int:
    """Return a number to two significant digits: what is measured is not more exact than that."""
    return round(float(f"{value:.{_SIGNIFICANT_DIGITS}g}"))
