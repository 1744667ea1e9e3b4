"""Pipelines as they were parsed last: while a pipeline is busy, its status changes, and its spec does not."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from speechoperator.api import SpeechPipeline
from speechoperator.kube import objects

if TYPE_CHECKING:
    from speechoperator.kube.objects import Key, Object

_LIMIT = 2048
"""Pipelines to keep, those that were used last: about 20 KiB each."""
_METADATA = ("name", "namespace", "uid", "generation", "creationTimestamp")
"""What the operator reads of the metadata."""


class ParsedPipelines:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, tuple[Object, SpeechPipeline]] = OrderedDict()

    def parse(self, key: Key, raw: Object) -> SpeechPipeline:
        """Return the pipeline that an API object describes; the same one, but for its status, if that alone differs.

        Raises:
            pydantic.ValidationError: it is not valid.
        """
        read = _without_status(raw)
        before, known = self._kept.pop(key, (None, None))
        if known is None or read != before:
            known = SpeechPipeline.parse(read)
        self._kept[key] = read, known
        if len(self._kept) > _LIMIT:
            self._kept.popitem(last=False)
        return known.model_copy(update={"status": objects.status(raw)})

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._kept.pop(key, None)


def _without_status(raw: Object) -> Object:
    """Return what the operator reads of an API object besides its status."""
    metadata = {name: raw["metadata"][name] for name in _METADATA if name in raw["metadata"]}
    return {name: raw[name] for name in ("apiVersion", "kind", "spec") if name in raw} | {"metadata": metadata}
