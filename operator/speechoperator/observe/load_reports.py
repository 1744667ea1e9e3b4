"""What pods and bridges report at `/load`, and the load of each component that follows from it. No I/O.

No request is counted twice:

- Whisper: what its pods report, and what the bridges hold (`held`, `audio_seconds_held`). A bridge's `waiting` and
  `working` are in the reports of the pods.
- Whisper pods that report nothing (the engine asr-webservice, an external service, an older image): what the bridges
  hold, and what they have sent (`waiting`, `working`). Requests of other clients are then unknown, and a recording in
  work counts with its whole duration.
- Ollama: the member `ollama` of the bridges. Its pods report nothing.

Which pods are idle, of those that report nothing, follows from what the bridges have sent to each (`pods`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, TypeAlias

from speechoperator.plan.scaling.load import STALE_AFTER_S, Load, Loads, Report, total

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from speechoperator.plan.scaling.state import ScaledComponent

_ID_DIGITS = 12

Reporting: TypeAlias = Literal["whisper", "bridge"]
"""A component whose pods report their load."""


@dataclass(frozen=True, slots=True)
class BridgeReport:
    """What one bridge reports.

    Attributes:
        held: Its requests that no Whisper pod has, and their audio.
        whisper: All its requests for Whisper.
        ollama: Its requests for Ollama.
        models_revision: Which list of models it uses; empty if it does not say.
        sent_to_whisper: How many of its requests each Whisper pod has, by `pod_id`; None if it does not say.
        sent_to_ollama: The same for Ollama.
    """

    held: Report = field(default_factory=Report)
    whisper: Report = field(default_factory=Report)
    ollama: Report = field(default_factory=Report)
    models_revision: str = ""
    sent_to_whisper: Mapping[str, float] | None = None
    sent_to_ollama: Mapping[str, float] | None = None

    @classmethod
    def parse(cls, members: Mapping[str, object]) -> BridgeReport:
        """Read the members of a bridge's `/load`; what is missing or invalid is unknown."""
        whisper, ollama = Report.parse(members), members.get("ollama")
        audio_held = Report.parse({"audio_seconds_waiting": members.get("audio_seconds_held")}).audio_seconds_waiting
        held = Report(
            held=whisper.held,
            audio_seconds_waiting=audio_held,
            oldest_wait_seconds=whisper.oldest_wait_seconds if whisper.held else None,
        )
        of_ollama = ollama if isinstance(ollama, dict) else {}
        sent = (_sent(of_component.get("pods")) for of_component in (members, of_ollama))
        return cls(held, whisper, Report.parse(of_ollama), _revision(members), *sent)

    @property
    def without_load(self) -> BridgeReport:
        """Which list of models it uses, and nothing else."""
        return BridgeReport(models_revision=self.models_revision)

    @property
    def holds(self) -> bool:
        """Whether it holds requests, for Whisper or for Ollama."""
        return bool(self.held.held or self.ollama.held)


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of the load of one running pod.

    Attributes:
        component: Its component.
        pod: Its name.
        ready: Whether it is ready: then its load has to be known.
        report: What it reported last, None if nothing yet.
        age: Seconds since it was last known to be true, None if it never was.
        reports: Whether it reports its load at all, as far as known.
        awaited: Whether it has reported nothing in the 45 s, at most, since it was first asked, or became ready.
    """

    component: Reporting
    pod: str
    ready: bool
    report: Report | BridgeReport | None = None
    age: float | None = None
    reports: bool = True
    awaited: bool = False

    @property
    def fresh(self) -> bool:
        """Whether the report still counts."""
        return self.report is not None and self.age is not None and self.age <= STALE_AFTER_S


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of a pipeline that exist and are not terminating.

    Attributes:
        whisper: Number of Whisper pods.
        ollama: Number of Ollama pods.
        whisper_reports: Whether its Whisper pods are expected to report their load.
    """

    whisper: int
    ollama: int
    whisper_reports: bool


def pod_loads(heard: Iterable[Heard]) -> Mapping[str, Report]:
    """Return the reports of the Whisper pods that are known, by the name of the pod."""
    return {one.pod: one.report for one in heard if one.fresh and isinstance(one.report, Report)}


def pod_id(address: str) -> str:
    """Return the name of a pod in the reports of bridges, which do not tell its IP address.

    The bridge computes the same (`stages/load.py`).
    """
    return sha256(address.encode()).hexdigest()[:_ID_DIGITS]


def sent_to_pods(
    heard: Iterable[Heard], component: ScaledComponent, addresses: Mapping[str, Collection[str]]
) -> Mapping[str, Report]:
    """Return what the bridges have sent to each pod of a component, by its name; empty unless all of them are known.

    Args:
        heard: What is known of the running pods.
        component: A component whose pods report nothing.
        addresses: The IP addresses of each of its pods, by name.
    """
    bridges = [one for one in heard if one.component == "bridge"]
    sent = [
        one.report.sent_to_ollama if component == "ollama" else one.report.sent_to_whisper
        for one in bridges
        if one.fresh and isinstance(one.report, BridgeReport)
    ]
    known = [one for one in sent if one is not None]
    if len(known) < len(sent) or not all(one.fresh for one in bridges if one.ready):
        return {}
    return {
        pod: Report(working=sum(counts.get(pod_id(address), 0.0) for counts in known for address in every))
        for pod, every in addresses.items()
    }


def models_revisions(heard: Iterable[Heard]) -> Mapping[str, str | None]:
    """Return which list of models the ready bridges use, by the name of the pod; see `Snapshot.models_revisions`."""
    found: dict[str, str | None] = {}
    for one in heard:
        if one.component != "bridge" or not one.ready:
            continue
        if not one.reports:
            found[one.pod] = ""
        elif one.fresh and isinstance(one.report, BridgeReport):
            found[one.pod] = one.report.models_revision
        elif one.awaited:
            found[one.pod] = None
    return found


def loads(heard: Sequence[Heard], pods: Pods, now: float) -> Loads:
    """Return the loads of the components.

    A load is unknown if that of a ready pod is: the sum of the others would be too small, and scale down. From zero
    pods, a sum that is too small does no harm, and requests that any bridge holds wake the component.

    Args:
        heard: What is known of the running pods.
        pods: The pods that exist.
        now: The time in seconds since the epoch.
    """
    bridges = [one for one in heard if one.component == "bridge"]
    whisper = [one for one in heard if one.component == "whisper"]
    reports = [one.report for one in bridges if one.fresh and isinstance(one.report, BridgeReport)]
    held = any(report.holds for report in reports)
    if pods.whisper_reports and all(one.reports for one in whisper):
        parts = [*pod_loads(whisper).values(), *(report.held for report in reports)]
        found = _load(parts, heard, now, wakes=held and not pods.whisper)
    else:  # a bridge is no pod: how many of them have requests says nothing about busy pods
        parts = [report.whisper for report in reports]
        found = replace(_load(parts, bridges, now, wakes=held and not pods.whisper), busy=None)
    # A request that is held for Whisper wakes Ollama, too.
    ollama = _load([report.ollama for report in reports], bridges, now, wakes=held and not pods.ollama)
    return Loads(found, replace(ollama, busy=None))


def _revision(members: Mapping[str, object]) -> str:
    found = members.get("models_revision")
    return found if isinstance(found, str) else ""


def _sent(pods: object) -> Mapping[str, float] | None:
    if not isinstance(pods, dict):
        return None
    counts = {pod: Report.parse({"working": count}).working for pod, count in pods.items()}
    return {pod: count for pod, count in counts.items() if count is not None}


def _load(parts: Iterable[Report], of: Iterable[Heard], now: float, *, wakes: bool) -> Load:
    """Return the sum of reports.

    Args:
        parts: The reports that are known.
        of: What they are known from.
        now: The time in seconds since the epoch.
        wakes: Whether the sum counts although it is not complete; otherwise it is unknown then.
    """
    every = list(of)
    if not wakes and not all(one.fresh for one in every if one.ready):
        return Load()
    oldest = max((one.age for one in every if one.fresh and one.age is not None), default=0.0)
    return total(parts, now - oldest)
