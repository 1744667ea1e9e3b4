"""The first request to a pipeline at zero replicas, stage by stage, on the cluster of `make cluster`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import TYPE_CHECKING

import aiohttp
import yaml

from bench.report import Figure, Section
from bench.subjects import NotThereError
from speechcli import bridge_client
from speechlocal import paths
from speechlocal.cluster import kind, lifecycle, platform
from speechlocal.cluster.access import Access
from speechlocal.containers.command import run
from speechlocal.demo_output import DEMO_PROMPT, DEMO_RECORDING
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from typing import Any

NAMESPACE, NAME, HOST = "default", "from-zero", "from-zero.localhost"
ROUNDS = 3
IDLE_WITHIN_S = 240
REQUEST_WITHIN_S = 300.0
SCALING = {
    "minReplicas": 0,
    "maxReplicas": 1,
    "idlePeriod": "5s",
    "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
}
POD_LINE = r'{.metadata.labels.app\.kubernetes\.io/component} {.status.conditions[?(@.status=="True")].type}{"\n"}'
"""What kubectl prints of a pod at each change: its component, and the conditions that are met."""

STAGES = {"": "pod created", "PodScheduled": "pod scheduled", "Ready": "pod ready"}
ANSWER = ("told to wait", "first segment", "whole transcript", "first token", "whole answer")
COMPONENTS = ("whisper", "ollama")

Seen = dict[tuple[str, str], float]
"""By component (or `request`) and stage: seconds after the request was sent."""


def measure(rounds: int, say: Callable[[str], None]) -> Section:
    """Send a request to a pipeline without pods, at most three times.

    Raises:
        NotThereError: there is no running cluster with the platform.
        LocalError: kubectl or the request failed.
    """
    return asyncio.run(_measure(local_cluster(), min(rounds, ROUNDS), say))


def local_cluster() -> Access:
    """The running cluster of `make cluster`."""
    name = lifecycle.DEFAULT_NAME
    found = lifecycle.inspect(name)
    if found.state is not lifecycle.State.RUNNING:
        raise NotThereError(f"the cluster {name} does not run: make cluster")
    return Access(kind.kubeconfig(name), found.port)


def pipeline() -> dict[str, Any]:
    """The pipeline of the example, without replicas of Whisper and Ollama while it is idle, and without GPUs."""
    found: dict[str, Any] = yaml.safe_load(paths.EXAMPLE.read_text(encoding="utf-8"))
    found["metadata"] = {"name": NAME, "namespace": NAMESPACE}
    spec = found["spec"]
    for component in COMPONENTS:
        spec[component] |= {"scaling": SCALING, "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}}
        del spec[component]["gpu"]  # the pipeline of `make cluster` has them all
    spec["ollama"]["cache"]["whenDeleted"] = "Delete"
    spec["bridge"]["replicas"] = 1
    spec["bridge"]["ingress"]["host"] = HOST
    return found


async def _measure(access: Access, rounds: int, say: Callable[[str], None]) -> Section:
    seen: list[Seen] = []
    async with deployed(access, say) as session:
        for number in range(rounds):
            await asyncio.to_thread(wait_idle, access)
            say(f"from zero: request {number + 1} of {rounds}")
            seen.append(await first_request(access, session))
    return section(seen)


@asynccontextmanager
async def deployed(access: Access, say: Callable[[str], None]) -> AsyncIterator[aiohttp.ClientSession]:
    """Apply the pipeline, and delete it in the end; a session for its host."""
    timeout = aiohttp.ClientTimeout(REQUEST_WITHIN_S)
    say("from zero: starting the pipeline")
    run([*access.kubectl, "apply", "-f", "-"], stdin=json.dumps(pipeline()))
    try:
        async with aiohttp.ClientSession(headers={"Host": HOST}, timeout=timeout) as session:
            await platform.routed(session, access.url)
            yield session
    finally:
        run([*access.kubectl, "-n", NAMESPACE, "delete", "sp", NAME, "--wait=false"])


def wait_idle(access: Access) -> None:
    """Wait until the pipeline has no pods but the bridge's."""
    within = f"--timeout={IDLE_WITHIN_S}s"
    idle = """--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Idle"""
    run([*access.kubectl, "-n", NAMESPACE, "wait", f"sp/{NAME}", idle, within])
    for component in COMPONENTS:
        selector = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component={component}"
        run([*access.kubectl, "-n", NAMESPACE, "wait", "pods", "-l", selector, "--for=delete", within])


async def first_request(access: Access, session: aiohttp.ClientSession) -> Seen:
    """Send a recording; when its pods and its answer arrived."""
    seen: Seen = {}
    recording = bridge_client.read_recording(DEMO_RECORDING)
    async with AsyncExitStack() as stack:
        began = time.monotonic()
        watching = asyncio.create_task(watch_pods(access, began, seen))
        stack.push_async_callback(stop, watching)
        async for event in bridge_client.process(session, access.url, recording, prompt=DEMO_PROMPT):
            stage = {
                bridge_client.Waiting: "told to wait",
                bridge_client.TranscriptDelta: "first segment",
                bridge_client.Transcript: "whole transcript",
                bridge_client.ResponseDelta: "first token",
                bridge_client.Completed: "whole answer",
            }[type(event)]
            seen.setdefault(("request", stage), time.monotonic() - began)
    return seen


async def watch_pods(access: Access, began: float, seen: Seen) -> None:
    """Note when the pods reach each stage, until it is cancelled."""
    command = [*access.kubectl, "-n", NAMESPACE, "get", "pods", "-l", f"app.kubernetes.io/instance={NAME}"]
    process = await asyncio.create_subprocess_exec(
        *command, "--watch", "-o", f"jsonpath={POD_LINE}", stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None  # noqa: S101 - for the type: the output is a pipe
        async for line in process.stdout:
            component, *conditions = line.decode().split()
            for condition in ("", *conditions):
                if condition in STAGES:
                    seen.setdefault((component, STAGES[condition]), time.monotonic() - began)
        raise LocalError("kubectl get pods --watch ended")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for it."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def section(seen: list[Seen]) -> Section:
    """The medians of all rounds."""

    def column(name: str, stage: str) -> dict[str, float]:
        values = [one[name, stage] for one in seen if (name, stage) in one]
        return {name: median(values)} if values else {}

    figures = [Figure(stage, "s", column("whisper", stage) | column("ollama", stage)) for stage in STAGES.values()]
    figures += [Figure(stage, "s", column("request", stage)) for stage in ANSWER]
    return Section(
        "From zero: the first request to a pipeline without Whisper and Ollama pods, seconds after it was sent",
        [figure for figure in figures if figure.values],
        notes=[f"Medians of {len(seen)} requests. Models are on the node already; the pods share the machine's cores."],
    )
