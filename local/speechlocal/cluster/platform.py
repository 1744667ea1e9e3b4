"""The platform on a running cluster: install the chart, apply the example, send a recording.

Everything is done as on a user's own cluster: with Helm, kubectl, and an HTTP request through the ingress.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import yaml

from speechcli.bridge_client import REQUEST_TIMEOUT_S, process, read_recording
from speechcli.conversation import Conversation, shown
from speechcli.pipeline_progress import PipelineProgress, sentence
from speechcli.terminal import INDENT, heading
from speechlocal import demo_output, loopback, paths
from speechlocal.cluster import dashboards, pipelines
from speechlocal.containers.command import run
from speechlocal.demo_output import DEMO_PROMPT, DEMO_RECORDING
from speechlocal.errors import LocalError
from speechlocal.offline import provide

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from speechcli.pipeline import State
    from speechlocal.cluster.access import Access

VALUES = paths.CLUSTER / "values.yaml"
RELEASE = NAMESPACE = "speechpipeline"
PLUGIN = "kubectl-speech"
PIPELINES = "default"  # the namespace of the example, so that a plain `kubectl get sp` lists it

INSTALL_TIMEOUT_S = 180
READY_TIMEOUT_S = 600.0
ROUTE_TIMEOUT_S = 60.0
POLL_S = 0.3


async def deploy(console: Console, access: Access, changed: Collection[str] = ()) -> dict[str, Any]:
    """Install the chart, apply the example, wait until it is ready, and return the answer to the demo's recording.

    The images must be in the cluster; `changed` are the tags of those that were copied to it since the pods started.

    Raises:
        LocalError: a step failed, or the pipeline was not ready in time; the message has its unmet conditions.
    """
    started = time.monotonic()
    await asyncio.to_thread(restart, access, changed)
    await asyncio.to_thread(install, access)
    console.print(f"{INDENT}chart     {RELEASE} in namespace {NAMESPACE}: installed", soft_wrap=True)
    pipeline = await asyncio.to_thread(apply_example, access)
    name, host = pipeline["metadata"]["name"], pipeline["spec"]["bridge"]["ingress"]["host"]
    heading(console, "kubectl apply -f examples/speechpipeline.yaml", f"SpeechPipeline {name}")
    await wait_ready(console, access, name)
    console.print(f"{INDENT}ready after {time.monotonic() - started:.0f} s")
    heading(console, "kubectl get sp")
    table = await asyncio.to_thread(run, [*access.kubectl, "-n", PIPELINES, "get", "speechpipelines"])
    console.print(*(INDENT + line for line in table.splitlines()), sep="\n", soft_wrap=True, markup=False)
    return await send_recording(console, access, host, pipeline["spec"]["ollama"]["models"][0]["name"])


def restart(access: Access, images: Collection[str]) -> None:
    """Restart the pods of these images: a rebuilt image has the same tag, so nothing else restarts them."""
    listed = (
        run([*access.kubectl, "get", "deployments", "--all-namespaces", "-o", "json"]) if images else '{"items": []}'
    )
    for deployment in json.loads(listed)["items"]:
        meta, pod = deployment["metadata"], deployment["spec"]["template"]["spec"]
        if any(container["image"] in images for container in pod["containers"]):
            run([*access.kubectl, "-n", meta["namespace"], "rollout", "restart", f"deployment/{meta['name']}"])


def install(access: Access) -> None:
    """Install the chart of this repository, or upgrade to it; its pods are ready when this returns."""
    release = ("upgrade", "--install", RELEASE, paths.CHART, "--namespace", NAMESPACE, "--create-namespace")
    run(
        [*access.helm, *release, "--values", VALUES, "--wait", "--timeout", f"{INSTALL_TIMEOUT_S}s"],
        advice=f"kubectl -n {NAMESPACE} describe pods",
    )


def apply_example(access: Access) -> dict[str, Any]:
    """Apply examples/speechpipeline.yaml; return the pipeline as the API server has it."""
    applied = run([*access.kubectl, "-n", PIPELINES, "apply", "-f", paths.EXAMPLE, "-o", "json"])
    found: dict[str, Any] = json.loads(applied)
    return found


async def wait_ready(console: Console, access: Access, name: str, *, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Show the progress of a pipeline until it is ready.

    Raises:
        LocalError: it was not ready in time; the message has its unmet conditions.
    """
    last: State | None = None
    try:
        async with asyncio.timeout(timeout_s):
            with PipelineProgress(console) as progress:
                async with aclosing(pipelines.watch(access.kubectl, PIPELINES, name)) as states:
                    async for last in states:
                        progress.show(last)
                        if last.ready:
                            break
            if last and last.verified:
                console.print(f"{INDENT}{sentence(last.verified)}", markup=False)
    except TimeoutError as error:
        why = "\n".join(f"{INDENT}{sentence(one)}" for one in last.unmet) if last else "it has no status"
        raise LocalError(
            f"the pipeline {name} is not ready after {timeout_s:.0f} s:\n{why}",
            f"kubectl -n {PIPELINES} describe sp {name}",
        ) from error


async def send_recording(console: Console, access: Access, host: str, model: str) -> dict[str, Any]:
    """Send the demo's recording through the ingress and show the answer as it arrives; return all of it."""
    timeout = aiohttp.ClientTimeout(REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(headers={"Host": host}, timeout=timeout) as session:
        await routed(session, access.url)
        conversation = Conversation(console, DEMO_RECORDING, DEMO_PROMPT, model)
        async for event in process(session, access.url, read_recording(DEMO_RECORDING), prompt=DEMO_PROMPT):
            conversation.show(event)
    return conversation.answer


async def routed(session: aiohttp.ClientSession, url: str, *, timeout_s: float = ROUTE_TIMEOUT_S) -> None:
    """Wait until the ingress routes to the bridge, which its controller does a moment after the Ingress is created.

    Raises:
        LocalError: it timed out.
    """
    last = ""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    async with session.get(f"{url}/livez") as answer:
                        if answer.ok:
                            return
                        last = f"HTTP {answer.status}"
                except aiohttp.ClientError as error:
                    last = str(error)
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise LocalError(
            f"the ingress at {url} does not route to the bridge after {timeout_s:.0f} s: {last}",
            "check whether its controller runs: kubectl get pods --all-namespaces",
        ) from error


def next_steps(console: Console, access: Access, stop: str) -> None:
    """Print what to do next; `stop` is the command that deletes the cluster."""
    recording = shown(DEMO_RECORDING)
    example = yaml.safe_load(paths.EXAMPLE.read_text(encoding="utf-8"))
    name, host = example["metadata"]["name"], example["spec"]["bridge"]["ingress"]["host"]
    url = f"http://{host}:{access.port}"
    curl = loopback.curl(host, access.port)
    heading(console, "Next")
    demo_output.lines(
        console,
        ("kubectl", f"export KUBECONFIG={access.kubeconfig} PATH={link_commands()}:$PATH"),
        ("", "kubectl get sp"),
        ("", f"kubectl speech status {name}"),
        ("curl", f"{curl} -F prompt='Summarise this:' -F file=@{recording} {url}/process"),
        ("playground", f"{url}/"),
        ("dashboards", dashboards.address(access.port)),
        ("change it", "edit examples/speechpipeline.yaml, then kubectl apply -f examples/speechpipeline.yaml"),
        ("stop", stop),
    )


def link_commands() -> Path:
    """Return a folder for PATH that has kubectl and its plugin, and nothing else."""
    folder = paths.cache() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    plugin = Path(sys.executable).with_name(PLUGIN)
    for name, program in (("kubectl", provide.program("kubectl")), (PLUGIN, plugin)):
        link = folder / f"{name}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(program)
        link.replace(folder / name)
    return folder
