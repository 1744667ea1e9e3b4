"""What the checks judge: objects of the API as they were fetched, and what else was measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Json: TypeAlias = dict[str, Any]

NAMESPACE_LABEL = "kubernetes.io/metadata.name"
COMPONENT_LABEL = "app.kubernetes.io/component"


@dataclass(frozen=True)
class Listed:
    """Objects of a kind; `refused` says why they could not be read, and is empty if they were."""

    items: tuple[Json, ...] = ()
    refused: str = ""


@dataclass(frozen=True)
class Permission:
    """Whether the user may do something; `allowed` is None if the API server did not say."""

    verb: str
    resource: str
    purpose: str
    allowed: bool | None
    cluster_wide: bool = False


@dataclass(frozen=True)
class VolumeUse:
    """How full a volume is, in bytes."""

    used: int
    capacity: int


@dataclass(frozen=True)
class Resolved:
    """What a host name resolves to on this machine; `error` is the resolver's."""

    addresses: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Handshake:
    """A TLS handshake with the host: the certificate's end, or why there is none.

    `untrusted` is why this machine does not trust the certificate, `error` why it got none.
    """

    expires: datetime | None = None
    untrusted: str = ""
    error: str = ""


@dataclass(frozen=True)
class Readiness:
    """The bridge's answer to /readyz; `status` is 0 and `error` says why if there was none."""

    status: int = 0
    body: str = ""
    error: str = ""


@dataclass(frozen=True)
class Facts:
    """Everything about one pipeline, at `now`."""

    pipeline: Json
    now: datetime
    crd: Listed = field(default_factory=Listed)
    operators: Listed = field(default_factory=Listed)
    permissions: tuple[Permission, ...] = ()
    pods: Listed = field(default_factory=Listed)
    events: Listed = field(default_factory=Listed)
    all_pods: Listed = field(default_factory=Listed)
    nodes: Listed = field(default_factory=Listed)
    namespaces: Listed = field(default_factory=Listed)
    daemon_sets: Listed = field(default_factory=Listed)
    pvcs: Listed = field(default_factory=Listed)
    volumes: Mapping[str, VolumeUse] = field(default_factory=dict)
    ingresses: Listed = field(default_factory=Listed)
    ingress_classes: Listed = field(default_factory=Listed)
    services: Listed = field(default_factory=Listed)
    network_policies: Listed = field(default_factory=Listed)
    tls_secret: Listed = field(default_factory=Listed)
    resolved: Resolved | None = None
    handshake: Handshake | None = None
    readiness: Readiness | None = None

    @property
    def name(self) -> str:
        """The name of the pipeline."""
        return str(self.pipeline["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.pipeline["metadata"].get("namespace", ""))

    @property
    def spec(self) -> Json:
        """Its spec."""
        return dict(self.pipeline.get("spec") or {})

    @property
    def status(self) -> Json:
        """Its status; empty before the operator has seen it."""
        return dict(self.pipeline.get("status") or {})

    @property
    def ingress_spec(self) -> Json:
        """`spec.bridge.ingress`; empty if it is not set."""
        return dict((self.spec.get("bridge") or {}).get("ingress") or {})

    def of_component(self, component: str) -> list[Json]:
        """Return the pods of a component."""
        return [pod for pod in self.pods.items if labels(pod).get(COMPONENT_LABEL) == component]


def name(thing: Json) -> str:
    """Return the name of an object."""
    return str(thing["metadata"]["name"])


def labels(thing: Json) -> Mapping[str, str]:
    """Return the labels of an object."""
    found: Mapping[str, str] = thing["metadata"].get("labels") or {}
    return found


def annotations_of(thing: Json) -> Mapping[str, str]:
    """Return the annotations of an object."""
    found: Mapping[str, str] = thing["metadata"].get("annotations") or {}
    return found


def is_terminating(thing: Json) -> bool:
    """Return whether an object is being deleted."""
    return bool(thing["metadata"].get("deletionTimestamp"))


def is_running(pod: Json) -> bool:
    """Return whether a pod runs and is not being deleted."""
    return (pod.get("status") or {}).get("phase") == "Running" and not is_terminating(pod)


def condition(thing: Json, wanted: str) -> Mapping[str, Any]:
    """Return a condition of an object; empty if it has none of this type."""
    found = (thing.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one["type"] == wanted), {})


def latest_event(facts: Facts, kind: str, of: str, *reasons: str) -> str:
    """Return the message of the latest warning about an object, with one of the reasons if any are given; or ""."""
    found = [
        event
        for event in facts.events.items
        if (event.get("involvedObject") or {}).get("kind") == kind
        and (event.get("involvedObject") or {}).get("name") == of
        and event.get("type") == "Warning"
        and (not reasons or event.get("reason") in reasons)
    ]
    if not found:
        return ""
    last = max(found, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    return one_line(f"{last.get('reason', '')}: {last.get('message', '')}")


def one_line(text: str) -> str:
    """Return a message on one line."""
    return " ".join(text.split())
