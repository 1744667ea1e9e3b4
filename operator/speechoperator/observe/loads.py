"""The loads of a pipeline: which pods are followed, and what they report together.

Bridges report their list of models, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speechoperator.api import labels
from speechoperator.api.names import PORTS
from speechoperator.kube import objects
from speechoperator.observe import load_reports
from speechoperator.observe.load_feed import Source
from speechoperator.observe.load_reports import Pods
from speechoperator.plan.scaling.load import Loads
from speechoperator.plan.scaling.spec import from_pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from speechoperator.api import SpeechPipeline
    from speechoperator.api.names import Component
    from speechoperator.kube.objects import Key, Object
    from speechoperator.observe.load_feed import LoadFeed
    from speechoperator.observe.load_reports import Reporting
    from speechoperator.plan.scaling.load import Report
    from speechoperator.plan.scaling.state import ScaledComponent

_REPORTING_ENGINE = "faster-whisper"
"""The engine with `/load`; asr-webservice answers no request during a job."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the pods of a pipeline report.

    Attributes:
        loads: The loads of the components.
        pods: The load of each pod of Whisper and Ollama that is known, by the name of the pod.
        models_revisions: As in `Snapshot`.
    """

    loads: Loads = field(default_factory=Loads)
    pods: Mapping[str, Report] = field(default_factory=dict)
    models_revisions: Mapping[str, str | None] = field(default_factory=dict)


def observe(
    feed: LoadFeed,
    key: Key,
    pipeline: SpeechPipeline,
    pods: Sequence[Object],
    now: float,
    ports: Mapping[Component, int] = PORTS,
) -> Observed:
    """Return what the pods report.

    A pipeline that is suspended is not followed. If another autoscaler decides about replicas, only the lists of models
    are.

    Args:
        feed: Follows the pods from now on.
        key: The pipeline.
        pipeline: The same, parsed.
        pods: Its pods.
        now: The time in seconds since the epoch.
        ports: The ports of the components.
    """
    if pipeline.spec.suspend:
        feed.forget(key)
        return Observed()
    alive = [pod for pod in pods if objects.alive(pod)]
    draining = [pod for pod in pods if objects.terminating(pod) and not objects.finished(pod)]
    if from_pipeline(pipeline.spec).mode == "Off":
        bridges = (source._replace(load=False) for source in _sources(alive, ports, whisper_reports=False))
        return Observed(models_revisions=load_reports.models_revisions(feed.follow(key, bridges)))
    whisper_reports = pipeline.spec.whisper.managed and pipeline.spec.whisper.engine == _REPORTING_ENGINE
    sources = (*_sources(alive, ports, whisper_reports=whisper_reports), *_draining_bridges(draining, ports))
    heard = feed.follow(key, sources)
    counts = Pods(_count(alive, "whisper"), _count(alive, "ollama"), whisper_reports)
    silent: tuple[ScaledComponent, ...] = ("ollama",) if whisper_reports else ("whisper", "ollama")
    of_pods = dict(load_reports.pod_loads(heard))
    for component in silent:
        of_pods |= load_reports.sent_to_pods(heard, component, _addresses(alive, component))
    return Observed(load_reports.loads(heard, counts, now), of_pods, load_reports.models_revisions(heard))


def _sources(pods: Sequence[Object], ports: Mapping[Component, int], *, whisper_reports: bool) -> Iterator[Source]:
    """Yield the running pods that report their load."""
    components: tuple[Reporting, ...] = ("bridge", "whisper") if whisper_reports else ("bridge",)
    for component in components:
        for pod in pods:
            url = objects.address(pod, ports[component])
            if labels.component_of(pod) == component and objects.running(pod) and url:
                yield Source(component, objects.name(pod), objects.uid(pod), url, _ready(pod))


def _draining_bridges(pods: Sequence[Object], ports: Mapping[Component, int]) -> Iterator[Source]:
    """Yield the terminating bridges: what they have transcribed still needs Ollama, and what they hold needs a pod.

    The work of a terminating Whisper pod is no demand: the pod does it itself. As nothing new arrives, the load of a
    terminating bridge need not be known: its node may be down.
    """
    return (source._replace(ready=False) for source in _sources(pods, ports, whisper_reports=False))


def _ready(pod: Object) -> bool:
    """Return whether the load of a pod has to be known.

    When a node fails, the node controller sets the condition Ready to False, but nobody updates the states of the
    containers: https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller. Readiness gates that users add
    count as well: a pod that does not get requests has no load that matters.
    """
    return objects.containers_ready(pod) and objects.holds(pod, "Ready")


def _addresses(pods: Sequence[Object], component: Component) -> dict[str, tuple[str, ...]]:
    """Return the IP addresses of the pods of a component, two each on a dual-stack network, by the name of the pod."""
    return {
        objects.name(pod): tuple(one["ip"] for one in objects.status(pod).get("podIPs") or ())
        for pod in pods
        if labels.component_of(pod) == component
    }


def _count(pods: Sequence[Object], component: Component) -> int:
    return sum(1 for pod in pods if labels.component_of(pod) == component)
