"""The IngressClasses of the cluster: listed once for all pipelines."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.kube import kinds
from speechoperator.kube.errors import ApiError
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.objects import Json

_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_FRESH_S = 10.0
"""Seconds for which a list serves all pipelines."""
_FORBIDDEN_S = 300.0
"""Seconds until they are listed again if that is forbidden, as with `rbac.ingressClasses=false` in the chart."""


class IngressClasses:
    """Not thread-safe.

    Args:
        client: What lists them.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._classes: list[Json] | None = None
        self._until = 0.0

    async def missing(self, name: str) -> str | None:
        """Return the name of the IngressClass if it is missing ("" for a missing default), None if it exists.

        If the operator is not allowed to list them, the class counts as existing: the Ingress may well work.
        """
        classes = await self._list()
        if classes is None:
            return None
        if name:
            return None if any(item["metadata"]["name"] == name for item in classes) else name
        annotated = (item["metadata"].get("annotations") or {} for item in classes)
        return None if any(annotations.get(_DEFAULT_CLASS) == "true" for annotations in annotated) else ""

    async def _list(self) -> list[Json] | None:
        """Return all IngressClasses, None if they cannot be listed."""
        async with self._lock:
            if asyncio.get_running_loop().time() >= self._until:
                try:
                    self._classes, _ = await self._client.list(kinds.INGRESS_CLASS, any_version=True)
                    fresh_s = _FRESH_S
                except ApiError as error:
                    logs.debug("cannot list IngressClasses", code=error.code, reason=error.advice)
                    self._classes, fresh_s = None, _FORBIDDEN_S if error.status == HTTPStatus.FORBIDDEN else _FRESH_S
                self._until = asyncio.get_running_loop().time() + fresh_s
            return self._classes
