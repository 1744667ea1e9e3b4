"""Events about pods that report a fault: some faults of a pod are reported nowhere else.

The API server filters them: Events of type Warning, and two of the cluster autoscaler, which are of type Normal. Most
are about pods of others: of those only the last ones are kept, since the Event about a new pod may come before the pod
itself.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from speechoperator.kube.errors import ApiError
from speechoperator.kube.events import last_seen
from speechoperator.kube.kinds import EVENT, POD
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechoperator.kube.objects import Json, Key, Object
    from speechoperator.kube.watch_client import WatchClient
    from speechoperator.watch.store import Store

_HARMLESS = "FailedToRetrieveImagePullSecret"
"""The kubelet repeats it while it pulls an image, which may need none of the Secrets: no fault, but it may hide one."""
WARNINGS = (f"type=Warning,reason!={_HARMLESS},involvedObject.kind={POD.name}",)
"""Field selectors of the Warning Events; each is a watch."""
NO_SCALE_UP, SCALE_UP = "NotTriggerScaleUp", "TriggeredScaleUp"
"""Reasons of the cluster autoscaler's Events: it adds no node for a pod, or it does.
https://github.com/kubernetes/autoscaler/tree/master/cluster-autoscaler/processors/status
"""
SCALE_UPS = tuple(f"reason={reason},involvedObject.kind={POD.name}" for reason in (NO_SCALE_UP, SCALE_UP))
"""Field selectors of these Events. The API server has no "or", and all Events of type Normal are too many."""
_OTHERS = 1000
"""Warnings about pods that are not known: about 300 bytes each."""
_MIN_RETRY_S, _MAX_RETRY_S = 1.0, 60.0


class PodWarning(NamedTuple):
    """The newest Event about a pod, of those that are watched.

    Attributes:
        at: When it was last seen, to the second; these times sort as text.
        message: Its message.
        event: The name of the Event.
        reason: Its reason.
        source: What watches it: field selector and namespace.
    """

    at: str
    message: str
    event: str
    reason: str
    source: tuple[str, str]


class PodWarnings:
    """The newest warnings, by the uid of the pod. Not thread-safe; no method blocks.

    Args:
        store: Knows which pods are the operator's.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._own: dict[str, PodWarning] = {}
        self._others: OrderedDict[str, PodWarning] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of warnings."""
        return len(self._own) + len(self._others)

    def of(self, uid: str) -> PodWarning | None:
        """Return the newest warning about a pod, None if there is none."""
        return self._own.get(uid) or self._others.get(uid)

    def observe(self, change: str, event: Object, source: tuple[str, str] = ("", "")) -> Key | None:
        """Take in a change of an Event; return the pipeline whose pod it is about, None if that is nothing new.

        Args:
            change: "ADDED", "MODIFIED" or "DELETED": the API server deletes Events after an hour.
            event: The Event.
            source: What watches it: field selector and namespace.
        """
        about = event["involvedObject"]
        uid, key = about.get("uid", ""), self._store.owner(POD, about.get("namespace", ""), about.get("name", ""))
        name, reason, message = event["metadata"]["name"], str(event.get("reason", "")), str(event.get("message", ""))
        warning = PodWarning(last_seen(event), message, name, reason, source)
        known = self.of(uid)
        if change == "DELETED":
            if known and known.event == warning.event:
                self._own.pop(uid, None)
                self._others.pop(uid, None)
            return None
        if known and known.at > warning.at:
            return None
        if key:
            self._others.pop(uid, None)
            self._own[uid] = warning
            return key if known is None or (known.reason, known.message) != (reason, message) else None
        self._others[uid] = warning
        self._others.move_to_end(uid)
        if len(self._others) > _OTHERS:
            self._others.popitem(last=False)
        return None

    def clear(self, source: tuple[str, str]) -> None:
        """Forget the warnings from one source: a complete list follows."""
        for warnings in (self._own, self._others):
            for uid in [uid for uid, warning in warnings.items() if warning.source == source]:
                del warnings[uid]


class PodWarningsWatcher:
    """Keeps the warnings from one source current; `run` it as a task.

    Without permission to watch Events there are no warnings.

    Args:
        client: What reads from the API server.
        warnings: What is kept current.
        fields: The field selector of the Events.
        namespace: The namespace to watch; "" for all.
        changed: Called with the pipeline about whose pod there is a new warning.
    """

    def __init__(
        self,
        client: WatchClient,
        warnings: PodWarnings,
        fields: str,
        namespace: str,
        changed: Callable[[Key], None],
    ) -> None:
        self._client = client
        self._warnings = warnings
        self._fields = fields
        self._namespace = namespace
        self._changed = changed
        self._last_error = ""
        self._pause = _MIN_RETRY_S

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                await self._follow(await self._list())
            except ApiError as error:
                if error.status != HTTPStatus.GONE:
                    self._failed(error)
            await asyncio.sleep(self._pause)

    def _failed(self, error: ApiError) -> None:
        """Log a new kind of error, and pause longer each time: a list alone, without a watch, is no success."""
        if error.code != self._last_error:
            logs.warning(
                "cannot watch Events; warnings about pods are missing", fields=self._fields, reason=error.advice
            )
        self._last_error, self._pause = error.code, min(_MAX_RETRY_S, self._pause * 2)

    async def _list(self) -> str:
        """Take in all warnings; return the resourceVersion to watch from."""
        version = ""
        self._warnings.clear((self._fields, self._namespace))
        async with aclosing(self._client.pages(EVENT, self._namespace, fields=self._fields)) as pages:
            async for events, version in pages:  # noqa: B007 - the version of the last page
                for event in events:
                    self._take_in("ADDED", event)
        return version

    async def _follow(self, version: str) -> None:
        """Watch from a resourceVersion on; the API server ends each watch after some minutes."""
        while True:
            before = version
            watch = self._client.watch(EVENT, self._namespace, fields=self._fields, version=version)
            async with aclosing(watch) as changes:
                async for change, event in changes:
                    version = event["metadata"].get("resourceVersion", version)
                    if change != "BOOKMARK":
                        self._take_in(change, event)
            self._last_error, self._pause = "", _MIN_RETRY_S
            if version == before:
                await asyncio.sleep(self._pause)

    def _take_in(self, change: str, event: Json) -> None:
        if key := self._warnings.observe(change, event, (self._fields, self._namespace)):
            self._changed(key)
