"""Objects of the API as the checks get them, and the facts that hold them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from speechcli.doctor.facts import Facts, Listed
from speechcli.doctor.verdicts import Level, Verdict

NOW = datetime(2026, 11, 29, 20, tzinfo=UTC)
GPU = "nvidia.com/gpu"

Object = dict[str, Any]


def facts(*, spec: Object | None = None, status: Object | None = None, **others: Any) -> Facts:
    """The facts about the pipeline team-a/calls; lists of objects may be given as such."""
    pipeline = {
        "metadata": {"name": "calls", "namespace": "team-a", "generation": 1},
        "spec": spec or {},
        "status": {"observedGeneration": 1, **(status or {})},
    }
    listed = {name: Listed(tuple(value)) if isinstance(value, list) else value for name, value in others.items()}
    return Facts(pipeline=pipeline, now=NOW, **listed)


def refused(what: str) -> Listed:
    return Listed(refused=f'{what} is forbidden: User "jo" cannot list it')


def condition(kind: str, status: str, reason: str = "Said", message: str = "") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def pod(
    name: str = "calls-whisper-1",
    component: str = "whisper",
    *,
    namespace: str = "team-a",
    labels: Mapping[str, str] | None = None,
    gpus: int = 0,
    ready: bool = True,
    claim: str = "",
    node: str = "n1",
    **status: Any,
) -> Object:
    limits = {"limits": {GPU: str(gpus)}} if gpus else {}
    volumes = [{"name": "cache", "persistentVolumeClaim": {"claimName": claim}}] if claim else []
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/component": component, **(labels or {})},
        },
        "spec": {"nodeName": node, "containers": [{"name": "main", "resources": limits}], "volumes": volumes},
        "status": {"phase": "Running", "conditions": [condition("Ready", str(ready))], **status},
    }


def node(name: str = "n1", allocatable: int = 0, capacity: int | None = None, **labels: str) -> Object:
    amounts = {
        "allocatable": {GPU: str(allocatable)},
        "capacity": {GPU: str(allocatable if capacity is None else capacity)},
    }
    return {"metadata": {"name": name, "labels": labels}, "status": amounts}


def event(kind: str, name: str, reason: str, message: str, at: str = "2026-11-29T19:00:00Z") -> Object:
    return {
        "involvedObject": {"kind": kind, "name": name},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    }


def only(verdicts: Iterable[Verdict], level: Level) -> list[Verdict]:
    return [one for one in verdicts if one.level is level]


def the(verdicts: Iterable[Verdict], level: Level) -> Verdict:
    """The one verdict of a level."""
    (found,) = only(verdicts, level)
    return found


def wrong(verdicts: Iterable[Verdict]) -> list[Verdict]:
    return [one for one in verdicts if one.level is not Level.OK]
