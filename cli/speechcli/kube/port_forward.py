"""A port of this machine that leads to a pod, through the API server: `kubectl port-forward`.

kubectl is present wherever this plugin is, and speaks the protocols (WebSocket, SPDY) and credentials of every cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from speechcli.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

HOST = "127.0.0.1"
START_WITHIN_S = 30.0
STOP_WITHIN_S = 5.0
_READY = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ")
_REFUSED = re.compile("forbidden|unauthorized|must be logged in", re.IGNORECASE)
_KEPT_LINES = 5


class PortForward:
    """A running `kubectl port-forward`."""

    def __init__(self, process: asyncio.subprocess.Process, output: asyncio.StreamReader) -> None:
        self.url = ""
        self._process = process
        self._output = output
        self._last = deque[str](maxlen=_KEPT_LINES)
        self._reading: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether it still forwards: kubectl exits when the pod does."""
        return self._process.returncode is None

    async def ready(self) -> None:
        """Wait until the port is open, and set `url`.

        Raises:
            ClusterError: kubectl failed; the message is its own.
        """
        try:
            async with asyncio.timeout(START_WITHIN_S):
                async for read in self._output:
                    line = read.decode(errors="replace").strip()
                    if found := _READY.match(line):
                        self.url = f"http://{HOST}:{found[1]}"
                        self._reading = asyncio.create_task(self._read())
                        return
                    if line:
                        self._last.append(line)
        except TimeoutError:
            self._last.append(f"timed out after {START_WITHIN_S:.0f} s")
        said = "; ".join(self._last) or "it ended without a message"
        raise ClusterError(
            f"kubectl port-forward: {said}",
            "check `kubectl auth can-i create pods/portforward`, or give the bridge's address with --url",
            transient=not _REFUSED.search(said),
        )

    async def stop(self) -> None:
        """End kubectl."""
        with contextlib.suppress(ProcessLookupError):  # Ctrl-C has ended it already
            self._process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), STOP_WITHIN_S)
        if self.alive:
            self._process.kill()
            await self._process.wait()
        if self._reading:
            await self._reading

    async def _read(self) -> None:
        """Read kubectl's output, a line for each connection: a full pipe would block it."""
        while line := await self._output.readline():
            self._last.append(line.decode(errors="replace").strip())


@asynccontextmanager
async def port_forward(options: Sequence[str], namespace: str, pod: str, port: int) -> AsyncIterator[PortForward]:
    """Forward a free port of this machine to a port of a pod.

    Args:
        options: which cluster, as options of kubectl.
        namespace: the pod's.
        pod: its name.
        port: its port.

    Raises:
        ClusterError: kubectl is missing or failed.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise ClusterError("kubectl is not on the PATH", "install kubectl, or give the bridge's address with --url")
    process = await asyncio.create_subprocess_exec(
        *(kubectl, *options, "port-forward", "--address", HOST, "--namespace", namespace, f"pod/{pod}", f":{port}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None  # noqa: S101 - for the type: it is a pipe
    forward = PortForward(process, process.stdout)
    try:
        await forward.ready()
        yield forward
    finally:
        await forward.stop()
