"""Whether the pods run: the words of the scheduler, of the kubelet and of the containers' ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.facts import condition, latest_event, name, one_line
from speechcli.doctor.verdicts import fault, ok, unchecked, warning
from speechcli.pipeline import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "pods"
MANY_RESTARTS = 3
PASSING = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons to wait that pass by themselves."""
KUBELET = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "Unhealthy", "FailedPostStartHook")


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the pods of each component."""
    if facts.pods.refused:
        yield unchecked(AREA, facts.pods.refused)
        return
    for component in COMPONENTS:
        pods = facts.of_component(component)
        desired = int((facts.status.get(component) or {}).get("desired") or 0)
        wrong = [verdict for pod in pods for verdict in _pod(facts, pod)]
        yield from wrong
        if not pods and desired:
            yield _missing(facts, component, desired)
        elif pods and not wrong:
            yield ok(AREA, f"{component}: {len(pods)} running and ready")


def _missing(facts: Facts, component: str, desired: int) -> Verdict:
    deployment = f"{facts.name}-{component}"
    said = next(
        (
            one_line(event.get("message", ""))
            for event in reversed(facts.events.items)
            if event.get("reason") == "FailedCreate"
            and str((event.get("involvedObject") or {}).get("name", "")).startswith(deployment)
        ),
        "",
    )
    return fault(
        AREA,
        f"{component}: no pods, {desired} desired{f': {said}' if said else ''}",
        f"kubectl -n {facts.namespace} describe replicasets,deployment {deployment}",
    )


def _pod(facts: Facts, pod: Json) -> Iterator[Verdict]:
    describe = f"kubectl -n {facts.namespace} describe pod {name(pod)}"
    if pod["metadata"].get("deletionTimestamp"):
        return
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield fault(AREA, f"{name(pod)} is not scheduled: {one_line(scheduled.get('message', ''))}", describe)
        return
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    wrong = [verdict for container in containers if (verdict := _container(facts, pod, container))]
    yield from wrong
    if wrong or condition(pod, "Ready").get("status") == "True" or status.get("phase") == "Succeeded":
        return
    said = latest_event(facts, "Pod", name(pod), *KUBELET) or one_line(condition(pod, "Ready").get("message", ""))
    yield warning(AREA, f"{name(pod)} is not ready{f': {said}' if said else ''}", describe)


def _container(facts: Facts, pod: Json, container: Json) -> Verdict | None:
    which = f"{name(pod)}, container {container['name']}"
    logs = f"kubectl -n {facts.namespace} logs {name(pod)} -c {container['name']}"
    waiting = (container.get("state") or {}).get("waiting") or {}
    last = (
        (container.get("lastState") or {}).get("terminated") or (container.get("state") or {}).get("terminated") or {}
    )
    if last.get("reason") == "OOMKilled":
        fix = f"raise spec.{_component(facts, pod)}.resources.limits.memory, or choose a smaller model"
        return fault(AREA, f"{which}: killed, it needs more memory than its limit", fix)
    if waiting.get("reason") and waiting["reason"] not in PASSING:
        ended = f"; it ended with exit code {last['exitCode']}" if last.get("exitCode") else ""
        text = f"{which}: {waiting['reason']}: {one_line(waiting.get('message', ''))}{ended}"
        describe = f"kubectl -n {facts.namespace} describe pod {name(pod)}"
        return fault(AREA, text, f"{logs} --previous" if last else describe)
    if int(container.get("restartCount") or 0) > MANY_RESTARTS:
        return warning(AREA, f"{which}: restarted {container['restartCount']} times", f"{logs} --previous")
    return None


def _terminated(state: Json | None) -> Json:
    return (state or {}).get("terminated") or {}


def _component(facts: Facts, pod: Json) -> str:
    return next((one for one in COMPONENTS if pod in facts.of_component(one)), "COMPONENT")
