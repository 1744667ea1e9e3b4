"""Whether the pods run: the words of the scheduler, of the kubelet and of the containers' ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from speechcli.doctor.facts import condition, is_terminating, latest_event, name, one_line
from speechcli.doctor.verdicts import fault, ok, unchecked, warning
from speechcli.kube.pipelines import is_ready
from speechcli.pipeline import COMPONENTS, state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "pods"
MANY_RESTARTS = 3
RECENT = timedelta(hours=1)
"""How long a kill that the container has recovered from is a fault."""
PASSING = frozenset({"ContainerCreating", "PodInitializing"})
"""Reasons to wait that pass by themselves."""
KUBELET = ("FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "Unhealthy", "FailedPostStartHook")


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the pods of each component."""
    if facts.pods.refused:
        yield unchecked(AREA, facts.pods.refused)
        return
    for component in COMPONENTS:
        found = facts.of_component(component)
        pods = [pod for pod in found if not is_terminating(pod)]
        desired = int((facts.status.get(component) or {}).get("desired") or 0)
        ready = sum(is_ready(pod) for pod in pods)
        wrong = [verdict for pod in pods for verdict in _pod(facts, pod)]
        yield from wrong
        if not found and desired:
            yield _missing(facts, component, desired)
        elif ready < desired and not wrong:
            yield warning(AREA, f"{component}: {ready} of {desired} running and ready", _follow(facts))
        elif pods and not wrong:
            yield ok(AREA, f"{component}: {ready} running and ready")


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
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        judged = warning if state(facts.pipeline).waits_for_node else fault
        yield judged(AREA, f"{name(pod)} is not scheduled: {one_line(scheduled.get('message', ''))}", describe)
        return
    status = pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    wrong = [verdict for container in containers if (verdict := _container(facts, pod, container))]
    yield from wrong
    if wrong or is_ready(pod) or status.get("phase") == "Succeeded":
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
    if last.get("reason") == "OOMKilled" and (not container.get("ready") or _is_recent(facts, last)):
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


def _is_recent(facts: Facts, ended: Json) -> bool:
    return bool(ended.get("finishedAt")) and facts.now - datetime.fromisoformat(ended["finishedAt"]) < RECENT


def _follow(facts: Facts) -> str:
    return f"kubectl speech status {facts.name} -n {facts.namespace} -w"


def _component(facts: Facts, pod: Json) -> str:
    return next((one for one in COMPONENTS if pod in facts.of_component(one)), "COMPONENT")
