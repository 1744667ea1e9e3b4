"""Pipelines as they were parsed last: while a pipeline is busy, its status changes, and its spec does not."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from speechoperator.api import SpeechPipeline
from speechoperator.kube import objects

if TYPE_CHECKING:
    from speechoperator.kube.objects import Key, Object

_LIMIT = 256
"""Pipelines to keep, those that were used last: about 15 KiB each, and their API objects."""
_METADATA = ("name", "namespace", "uid", "generation", "creationTimestamp")


class ParsedPipelines:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[Object, SpeechPipeline]] = OrderedDict()

    def parse(self, key: Key, raw: Object) -> SpeechPipeline:
        """Return the pipeline that an API object describes; the same one, but for its status, if that alone differs.

        Raises:
            pydantic.ValidationError: it is not valid.
        """
        before, known = self._kept.pop(key, ({}, None))
        if known is None or not _same(before, raw):
            known = SpeechPipeline.parse(raw)
        elif before is not raw:
            known = known.model_copy(update={"status": objects.status(raw)})
        self._kept[key] = raw, known
        if len(self._kept) > _LIMIT:
            self._kept.popitem(last=False)
        return known

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._kept.pop(key, None)


def _same(before: Object, raw: Object) -> bool:
    """Return whether two API objects differ in their status at most, of what the operator reads."""
    if before is raw:
        return True
    one, other = before["metadata"], raw.get("metadata") or {}
    return (
        all(one.get(name) == other.get(name) for name in _METADATA)
        and all(before.get(name) == raw.get(name) for name in ("apiVersion", "kind"))
        and bool(before["spec"] == raw.get("spec"))
    )
