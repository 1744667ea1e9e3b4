"""The real operator as a process: `python -m speechoperator run`, with the rights that the chart gives it."""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp

from cluster.api import Object
from cluster.control_plane import ControlPlane, Identity
from cluster.processes import Process
from speechlocal.children import free_port

POLL_S = 0.02
STARTED_WITHIN_S = 120.0
"""Until it leads or stands by, also on a machine that is busy with other tests."""
FAST = {
    "LEASE_DURATION": "3",
    "LEASE_RENEW_DEADLINE": "2",
    "LEASE_RETRY_PERIOD": "0.2",
    "RETRY_MAX_DELAY": "1",
    "REQUEST_TIMEOUT": "5",
    "UNSCHEDULABLE_GRACE": "1",
    "KUBE_API_QPS": "1000",
    "KUBE_API_BURST": "1000",
    "URL_DENIED_NETWORKS": "",
    "VERIFICATION": "false",
}
"""Times that a test can wait for; their order is that of the defaults."""


@dataclass(frozen=True)
class Stage:
    """What every operator of a session runs with: whom the API server takes it for, and what the chart sets."""

    plane: ControlPlane
    identity: Identity
    namespace: str
    environment: Mapping[str, str]
    ollama_port: int
    objects: list[Object]
    """What the chart installs."""


class Operator:
    """`async with Operator(stage, ...) as operator` enters when it leads; on leaving it is asked to end."""

    def __init__(
        self,
        stage: Stage,
        name: str = "operator",
        *,
        url: str | None = None,
        leads: bool = True,
        module: str = "speechoperator",
        **settings: str,
    ) -> None:
        """`url`: of a proxy before the API server; `leads`: else it stands by; `settings`: environment."""
        self.stage = stage
        self._leads = leads
        self.port = free_port()
        kubeconfig = stage.plane.kubeconfig(stage.identity, url)
        environment = {
            **stage.environment,
            **FAST,
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": stage.namespace,
            "POD_NAME": name,
            "SERVER_HOST": "127.0.0.1",
            "SERVER_PORT": str(self.port),
            "OLLAMA_PORT": str(stage.ollama_port),
            **settings,
        }
        command = [sys.executable, "-m", module, "run"]
        self.process = Process(f"{name}-{self.port}", command, stage.plane.folder, environment)

    async def __aenter__(self) -> Self:
        self.process.start()
        try:
            await self.until(lambda metrics: metrics.get("speechoperator_leader") == self._leads, STARTED_WITHIN_S)
        except BaseException:
            self.process.stop(signal.SIGKILL)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def log(self) -> Path:
        return self.process.log

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int | None:
        """End it; the exit code. The event loop goes on meanwhile: fakes and proxies live there."""
        return await asyncio.to_thread(self.process.stop, number)

    def kill(self) -> None:
        """As the kernel does when memory is short: it has no last word."""
        self.process.stop(signal.SIGKILL)

    async def until_leading(self, within_s: float = STARTED_WITHIN_S) -> None:
        await self.until(lambda metrics: metrics.get("speechoperator_leader") == 1, within_s)

    async def until(self, condition: Callable[[Mapping[str, float]], object], within_s: float = 30.0) -> None:
        """Wait until `condition` holds of its metrics; AssertionError with its log when time is up or it ended."""
        metrics: Mapping[str, float] = {}
        try:
            async with asyncio.timeout(within_s), aiohttp.ClientSession() as http:
                while not condition(metrics := await self.metrics(http)):
                    if self.process.exit_code() is not None:
                        break
                    await asyncio.sleep(POLL_S)
                else:
                    return
        except TimeoutError:
            pass
        code, lines = self.process.exit_code(), self.process.last_lines()
        state = "runs" if code is None else f"ended with code {code}"
        raise AssertionError(f"not within {within_s:.0f} s; the operator {state}, metrics {metrics}\n{lines}")

    async def metrics(self, http: aiohttp.ClientSession) -> dict[str, float]:
        """Name and labels as they stand on the page -> value; empty while it does not answer."""
        try:
            async with http.get(f"http://127.0.0.1:{self.port}/metrics") as answer:
                text = await answer.text()
        except aiohttp.ClientError:
            return {}
        samples = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}
