"""The address of a pipeline's bridge: the one that the user gives, or a port-forward that is renewed when it breaks."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from speechcli.kube import configuration
from speechcli.kube.client import KubeClient
from speechcli.kube.pipelines import bridge_pod
from speechcli.kube.port_forward import PortForward, port_forward

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from speechcli.kube.configuration import ClusterOptions

PORT = 8080


class Forwarding:
    """A port-forward to a bridge's pod, to another pod once that one is gone."""

    def __init__(self, client: KubeClient, options: ClusterOptions, pipeline: str, stack: AsyncExitStack) -> None:
        self._client = client
        self._options = options
        self._pipeline = pipeline
        self._stack = stack
        self._current: PortForward | None = None
        self._lock = asyncio.Lock()

    async def url(self) -> str:
        """Return an address that leads to a bridge now.

        Raises:
            ClusterError: no pod of the bridge runs, or kubectl failed.
        """
        async with self._lock:
            if self._current is None or not self._current.alive:
                pod = await bridge_pod(self._client, self._pipeline)
                forward = port_forward(self._options.kubectl, self._client.namespace, pod, PORT)
                self._current = await self._stack.enter_async_context(forward)
            return self._current.url


@asynccontextmanager
async def bridge(options: ClusterOptions, pipeline: str, url: str = "") -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """Give a function that returns the bridge's address; with `url` that one, without asking the cluster.

    Raises:
        ClusterError: the cluster cannot be reached; the function raises it too.
    """

    async def given() -> str:
        return url

    if url:
        yield given
        return
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(KubeClient(await configuration.load(options)))
        forwarding = Forwarding(client, options, pipeline, stack)
        await forwarding.url()
        yield forwarding.url
