"""Warnings about objects that are not healthy: pods from the watches on Events, PVCs on demand.

The problems of PVCs are few, not all are Events of type Warning (FailedBinding), and an Event of type Normal ends one
(WaitForFirstConsumer, Provisioning): all Events of a PVC count.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from speechoperator.kube import kinds, objects
from speechoperator.kube.errors import ApiError
from speechoperator.kube.events import last_seen
from speechoperator.observe.polling import Target
from speechoperator.telemetry import logs
from speechoperator.watch.pod_warnings import NO_SCALE_UP

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.objects import Object
    from speechoperator.observe.polling import Polls
    from speechoperator.watch.pod_warnings import PodWarnings

_WARNINGS_OF_TYPE_NORMAL = {"FailedBinding"}
"""Reasons of Events of type Normal that report a problem which only a person can solve."""
_STARTUP_GRACE_S = 4.0
"""Seconds for which a new pod or PVC may be unready before its warnings count."""
_MIN_INTERVAL_S, _MAX_INTERVAL_S = 2.0, 60.0


class Warnings:
    """The newest warnings about objects that are not healthy.

    Args:
        pods: The warnings about pods.
        autoscaler: The Events of the cluster autoscaler about pods.
        client: What reads the Events of PVCs.
    """

    def __init__(self, pods: PodWarnings, autoscaler: PodWarnings, client: KubeClient) -> None:
        self._pods = pods
        self._autoscaler = autoscaler
        self._client = client

    def about_pods(self, polls: Polls, pods: Iterable[Object], now: datetime) -> Mapping[str, str]:
        """Return the newest warnings about unready pods, by name, unless a pod has made progress since then.

        A pod without a node has the cluster autoscaler's, if that adds none.
        """
        found = {}
        for pod in pods:
            if _unscheduled(pod):
                warning = self._autoscaler.of(objects.uid(pod))
                warning = warning if warning and warning.reason == NO_SCALE_UP else None
            elif not _unready(pod) or _is_young(polls, _age(pod, now)):
                continue
            else:
                warning = self._pods.of(objects.uid(pod))
            if warning and warning.at >= objects.last_transition(pod)[: len(warning.at)]:
                found[objects.name(pod)] = warning.message
        return found

    def about_pvcs(self, polls: Polls, pvcs: Iterable[Object], now: datetime) -> Mapping[str, str]:
        """Return the newest warnings about unbound PVCs, by name. Older problems are polled less often."""
        found = {}
        for pvc in pvcs:
            age = _age(pvc, now)
            if objects.status(pvc).get("phase") == "Bound" or _is_young(polls, age):
                continue
            uid = objects.uid(pvc)
            fetch = partial(warning, self._client, polls.key.namespace, uid)
            if polled := polls.latest(Target("events", uid), fetch, partial(_interval, age)):
                found[objects.name(pvc)] = polled
        return found


async def warning(client: KubeClient, namespace: str, uid: str) -> str:
    """Return the message of an object's newest Event if that is a warning, else ""."""
    try:
        events, _ = await client.list(kinds.EVENT, namespace, fields=f"involvedObject.uid={uid}")
    except ApiError as error:
        logs.debug("cannot list Events", code=error.code, reason=error.advice)
        return ""
    return newest_warning(events)


def newest_warning(events: Sequence[Object]) -> str:
    """Return the message of the newest Event if that is a warning; of two in the same second the warning counts."""
    newest = max(events, key=lambda event: (last_seen(event), _is_warning(event)), default=None)
    return str(newest.get("message", "")) if newest and _is_warning(newest) else ""


def _is_warning(event: Object) -> bool:
    return event.get("type") == "Warning" or event.get("reason") in _WARNINGS_OF_TYPE_NORMAL


def _unready(pod: Object) -> bool:
    """Return whether a pod is scheduled and yet not ready: its own status may not say why."""
    return objects.alive(pod) and objects.holds(pod, "PodScheduled") and not objects.containers_ready(pod)


def _unscheduled(pod: Object) -> bool:
    """Return whether a pod waits for a node."""
    scheduled = objects.condition(pod, "PodScheduled")
    return objects.alive(pod) and scheduled is not None and scheduled.get("status") == "False"


def _is_young(polls: Polls, age: float) -> bool:
    """Return whether an object may still be unready; if so, it is looked at again after that time."""
    if age >= _STARTUP_GRACE_S:
        return False
    polls.within(_STARTUP_GRACE_S - age)
    return True


def _age(thing: Object, now: datetime) -> float:
    return (now - objects.parse_time(objects.created(thing))).total_seconds()


def _interval(age: float, _: str) -> float:
    return min(_MAX_INTERVAL_S, max(_MIN_INTERVAL_S, age / 3))
