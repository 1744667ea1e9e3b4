"""The operator with many pipelines: time until ready, cost, time to revert drift."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from bench import kwok
from bench.operators import Usage, overall, quantile, usage
from bench.processes import StartError
from bench.report import Figure, Goal, Section
from cluster import processes
from cluster.api import Api
from cluster.chart import prepared
from cluster.definition import define
from cluster.expected import pipeline, ready
from cluster.operator_process import Operator
from speechoperator.plan.scaling.load import STALE_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cluster.api import Object
    from cluster.operator_process import Stage

PIPELINES = 100
CPU_PER_PIPELINE_S = 0.05
MEMORY_MB = {PIPELINES: 120, 1000: 200}
"""Goals for the peak of memory, by the number of pipelines."""

NAMESPACES = tuple(f"team-{number}" for number in range(4))
GOES = ("SpeechPipeline", "Deployment", "Pod")
"""Kinds of which no object is left once the pipelines and their objects are deleted."""

WRITTEN = re.compile(r'^apiserver_request_total\{.*verb="(?:POST|PUT|PATCH|APPLY|DELETE)".*\} (\S+)$', re.MULTILINE)

FOREIGN = "foreign"
FOREIGN_PODS = 5_000
AT_ONCE = 32
STEADY_S = 60.0
REPAIRS = 20
CONVERGED_WITHIN_S = 3.0
"""For each pipeline."""
FOREIGN_PODS_WITHIN_S = 300.0
DEFAULTS = {
    "LEASE_DURATION": "15",
    "LEASE_RENEW_DEADLINE": "10",
    "LEASE_RETRY_PERIOD": "2",
    "RETRY_MAX_DELAY": "60",
    "LOG_LEVEL": "info",
}
"""The chart's defaults of settings that the tests shorten. KUBE_API_QPS is not among them: its 20 requests a second
would be all that is measured."""


def measure(folder: Path, pipelines: int, say: Callable[[str], None]) -> Section:
    """Measure everything on one cluster.

    Args:
        folder: Where the programs write.
        pipelines: How many there are.
        say: Reports progress.

    Raises:
        NotThereError: a program of the cluster is not on this machine.
        StartError: one did not start.
    """
    try:
        with kwok.running(folder) as cluster:
            say(f"starting a control plane and kwok with {kwok.NODES} nodes")
            return asyncio.run(_measure(cluster, pipelines, say))
    except (processes.StartError, AssertionError) as error:  # the latter of what did not come about in time
        raise StartError(str(error)) from error


async def _measure(cluster: kwok.Cluster, pipelines: int, say: Callable[[str], None]) -> Section:
    plane = cluster.plane
    await define(plane)
    plane.start_controllers()
    stage = await prepared(plane, cluster.programs["helm"])
    settings: dict[str, Any] = {**DEFAULTS, "OLLAMA_PORT": str(cluster.ollama_port)}
    section = Section(f"Operator: {pipelines} pipelines on {kwok.NODES} nodes of kwok")
    async with Api(plane.access()) as api, Operator(stage, "leader", **settings) as leader:
        await kwok.add_nodes(api)
        async with Operator(stage, "standby", leads=False, **settings) as standby:
            run = Run(cluster, stage, api, leader, standby, section, pipelines, settings, say)
            steps = (run.apply_at_once, run.apply_one_by_one, run.steady_state)
            for step in (*steps, run.revert_drift, run.ignore, run.fail_over):
                await step()
    return section


@dataclass(frozen=True)
class Run:
    """One run; each step adds its figures and goals to `section`."""

    cluster: kwok.Cluster
    stage: Stage
    api: Api
    leader: Operator
    standby: Operator
    section: Section
    pipelines: int
    settings: dict[str, Any]
    say: Callable[[str], None]

    @property
    def _limit_s(self) -> float:
        return CONVERGED_WITHIN_S * self.pipelines

    async def apply_at_once(self) -> None:
        """Apply all pipelines with one kubectl, wait until every one of them is Ready, and delete them again."""
        for name in (*NAMESPACES, FOREIGN):
            await self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self._figure("resident before the first pipeline", "MiB", self._usage().resident / 2**20)
        await self._converge("in one apply", [[_pipeline(number) for number in range(self.pipelines)]])
        self.say("deleting them")
        for namespace in NAMESPACES:
            await self.api.delete_all("SpeechPipeline", namespace)
        for kind, namespace in itertools.product(GOES, NAMESPACES):
            for there in await self.api.list(kind, namespace):
                await self.api.until_gone(kind, namespace, there["metadata"]["name"], self._limit_s)
        await self._quiet()

    async def apply_one_by_one(self) -> None:
        """Apply them with a kubectl for each, one after the other, and wait until every one of them is Ready."""
        await self._converge("one by one", [[_pipeline(number)] for number in range(self.pipelines)])

    async def _converge(self, how: str, applies: list[list[Object]]) -> None:
        self.say(f"applying {self.pipelines} pipelines {how}")
        before, parts, mark = self._usage(), self._parts(), self.stage.plane.audit.mark()
        reconciled = overall(await self._metrics(), "speechoperator_reconciles_total")
        written = await self._writes_of_all()
        started = time.monotonic()
        waiting = asyncio.create_task(self._all_ready())
        for items in applies:
            await self._kubectl_apply(items)
        applied = time.monotonic()
        await waiting
        converged = time.monotonic()
        cpu, parts = self._usage().cpu - before.cpu, self._parts() - parts
        reconciles = overall(await self._metrics(), "speechoperator_reconciles_total") - reconciled
        self._goal(f"{how}: all Ready after the last apply", 10, "s", converged - applied)
        self._figure(f"{how}: from the first apply to the last", "s", applied - started)
        self._figure(f"{how}: CPU until all are Ready", "s", cpu)
        self._goal(f"{how}: CPU per pipeline", CPU_PER_PIPELINE_S, "s", cpu / self.pipelines)
        self._figure(f"{how}: CPU of control plane, kwok and Ollama meanwhile", "s", parts)
        self._figure(f"{how}: writes per pipeline, operator", "", len(self._writes(mark)) / self.pipelines)
        written = await self._writes_of_all() - written
        self._figure(f"{how}: writes per pipeline, all clients", "", written / self.pipelines)
        self._figure(f"{how}: reconciles per pipeline", "", reconciles / self.pipelines)
        self._figure(f"{how}: CPU of the whole process per reconcile", "ms", 1000 * cpu / reconciles)

    async def steady_state(self) -> None:
        """Count writes in the steady state, once the effects of the start have settled.

        Pods of kwok report no load, which the operator notes in the status when it has waited for one.
        """
        await self._quiet()
        await asyncio.sleep(STALE_AFTER_S)
        self.say(f"{STEADY_S:.0f} s of steady state")
        mark, before = self.stage.plane.audit.mark(), self._usage()
        await asyncio.sleep(STEADY_S)
        after = self._usage()
        self._goal(f"writes in {STEADY_S:.0f} s of steady state", 0, "", len(self._writes(mark)))
        self._figure("CPU in the steady state", "% of a core", 100 * (after.cpu - before.cpu) / STEADY_S)
        metrics = await self._metrics()
        cpu = quantile(metrics, "speechoperator_reconcile_cpu_seconds", 0.99)
        self._goal("CPU of a reconcile, p99 of observe and plan", 50, "ms", 1000 * cpu)

    async def revert_drift(self) -> None:
        """Delete or edit an object of each of several pipelines, in sequence."""
        self.say(f"reverting drift {REPAIRS} times")
        took = [await self._repair(number) for number in range(REPAIRS)]
        self._goal("drift reverted, slowest", 2, "s", max(took))
        self._figure("drift reverted, median", "s", statistics.median(took))

    async def ignore(self) -> None:
        """Start thousands of pods of other owners, and compare with the same time without."""
        self.say(f"starting {FOREIGN_PODS} foreign pods")
        before, started = self._usage(), time.monotonic()
        await self._foreign_pods()
        after, busy = self._usage(), time.monotonic() - started
        await asyncio.sleep(busy)
        idle = self._usage()
        more = (after.cpu - before.cpu) - (idle.cpu - after.cpu)
        self._goal(f"CPU for {FOREIGN_PODS} foreign pods, above idle", 0.1, "s", more)
        self._goal(f"memory for {FOREIGN_PODS} foreign pods", 1, "MB", (after.resident - before.resident) / 1e6)
        self._peak(idle)

    async def fail_over(self) -> None:
        """Kill the leader and cause drift; once it is reverted, the standby has become the leader."""
        self.say("killing the leader")
        started = time.monotonic()
        self.leader.kill()
        await self._repair(0)
        self._goal("failover, until the standby has reverted drift", 20, "s", time.monotonic() - started)
        started = time.monotonic()
        successor = Operator(self.stage, "successor", **self.settings)
        successor.process.start()
        await self.standby.stop()
        await successor.until_leading()
        await self._repair(1)
        self._figure("handover, from SIGTERM until the successor has reverted drift", "s", time.monotonic() - started)
        await successor.stop()

    async def _all_ready(self) -> None:
        seen: set[tuple[str, str]] = set()
        async with asyncio.timeout(self._limit_s):
            async for _, found in self.api.watch("SpeechPipeline"):
                key = (found["metadata"]["namespace"], found["metadata"]["name"])
                if ready(found):
                    seen.add(key)
                if len(seen) == self.pipelines:
                    return

    async def _kubectl_apply(self, items: list[Object]) -> None:
        plane = self.stage.plane
        command = [
            *(str(self.cluster.programs["kubectl"]), f"--kubeconfig={plane.kubeconfig()}"),
            f"--cache-dir={plane.folder / 'kubectl'}",
        ]
        child = await asyncio.create_subprocess_exec(
            *command, "apply", "-f", "-", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        await child.communicate(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode())
        if child.returncode:
            raise RuntimeError(f"kubectl apply exited with code {child.returncode}")

    async def _quiet(self) -> None:
        """Return once nothing was written for three seconds: Deployments report their completion with a delay."""
        last, since = -1, time.monotonic()
        while time.monotonic() - since < 3:  # noqa: PLR2004 - see above
            count = len(self._writes())
            if count != last:
                last, since = count, time.monotonic()
            await asyncio.sleep(0.5)

    async def _repair(self, number: int) -> float:
        """Cause drift in a pipeline and return the seconds until it is reverted."""
        namespace, name = _where(number)
        config, deployment = f"{name}-bridge", f"{name}-whisper"
        if number % 2:
            uid = (await self.api.get("ConfigMap", namespace, config))["metadata"]["uid"]
            await self.api.delete("ConfigMap", namespace, config)
            started = time.monotonic()
            await self.api.until("ConfigMap", namespace, config, lambda found: found["metadata"]["uid"] != uid, 60)
        else:
            await self.api.patch("Deployment", namespace, deployment, {"spec": {"replicas": 3}})
            started = time.monotonic()
            await self.api.until("Deployment", namespace, deployment, lambda found: found["spec"]["replicas"] == 1, 60)
        return time.monotonic() - started

    async def _foreign_pods(self) -> None:
        one_of = asyncio.Semaphore(AT_ONCE)

        async def make(number: int) -> None:
            async with one_of:
                await self.api.create(_foreign_pod(number))

        await asyncio.gather(*(make(number) for number in range(FOREIGN_PODS)))
        running: set[str] = set()
        async with asyncio.timeout(FOREIGN_PODS_WITHIN_S):
            async for _, pod in self.api.watch("Pod", FOREIGN, fieldSelector="status.phase=Running"):
                running.add(pod["metadata"]["name"])
                if len(running) == FOREIGN_PODS:
                    return

    def _usage(self) -> Usage:
        return usage(self.leader.process.pid)

    def _parts(self) -> float:
        plane = self.stage.plane
        processes = (plane.etcd, plane.api_server, plane.controllers, *self.cluster.parts)
        return sum(usage(process.pid).cpu for process in processes)

    def _writes(self, since: int = 0) -> list[object]:
        calls: Iterable[object] = (
            call
            for call in self.stage.plane.audit.writes(self.stage.identity.user, since=since)
            if call.resource != "leases"
        )
        return list(calls)

    async def _writes_of_all(self) -> float:
        """Return the writes of all clients so far, including Kubernetes' controllers, kwok and kubectl."""
        return sum(map(float, WRITTEN.findall(await self.api.text("/metrics"))))

    async def _metrics(self) -> dict[str, float]:
        async with aiohttp.ClientSession() as http:
            return await self.leader.metrics(http)

    def _peak(self, usage: Usage) -> None:
        if self.pipelines in MEMORY_MB:
            self._goal("memory, peak", MEMORY_MB[self.pipelines], "MB", usage.peak / 1e6)
        else:
            self._figure("memory, peak", "MB", usage.peak / 1e6)

    def _figure(self, what: str, unit: str, value: float) -> None:
        self.section.figures.append(Figure(what, unit, {"operator": value}))

    def _goal(self, what: str, bound: float, unit: str, value: float) -> None:
        self.section.goals.append(Goal(what, bound, unit, value))
        self._figure(what, unit, value)


def _where(number: int) -> tuple[str, str]:
    return NAMESPACES[number % len(NAMESPACES)], f"speech-{number}"


def _pipeline(number: int) -> Object:
    """A pipeline without PVCs, since kwok has no volumes; otherwise with defaults."""
    cache = {"ephemeral": True}
    ollama = {"models": [{"name": "llama3"}], "cache": cache}
    return pipeline(*_where(number), whisper={"cache": cache}, ollama=ollama)


def _foreign_pod(number: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{number}",
            "namespace": FOREIGN,
            "labels": {"app.kubernetes.io/name": "web", "app.kubernetes.io/managed-by": "Helm"},
        },
        "spec": {
            "nodeName": f"node-{number % kwok.NODES}",
            "automountServiceAccountToken": False,
            "containers": [{"name": "web", "image": "nginx"}],
        },
    }
