"""What kopf calls: a change goes into the store, and the pipelines for which it is news into the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kopf

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Key
    from speechoperator.kube.workqueue import WorkQueue
    from speechoperator.telemetry.metrics import Metrics
    from speechoperator.watch.store import Store

SETTLE = 0.1
"""Seconds in which changes of one pipeline are gathered: a new Deployment alone brings half a dozen."""


def register(
    registry: kopf.OperatorRegistry, kinds: Iterable[Kind], store: Store, queue: WorkQueue[Key], metrics: Metrics
) -> None:
    """Have kopf tell of all changes of these kinds; nothing is decided here."""

    async def changed(event: kopf.RawEvent, **_: Any) -> None:
        news = store.see(event["type"], dict(event["object"]))
        metrics.events.labels(event["object"]["kind"], str(bool(news)).lower()).inc()
        for key in news:
            queue.after(key, SETTLE)

    for kind in kinds:
        kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(changed)
