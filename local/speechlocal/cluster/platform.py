"""The platform on a cluster that is up: the chart installed, the example applied, a recording answered.

Everything goes the way a user's own cluster would see it: Helm, kubectl, and an HTTP request through the ingress.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import aiohttp

from speechlocal import demo_output, paths
from speechlocal.bridge_client import process, read_recording
from speechlocal.cluster import pipelines
from speechlocal.cluster.pipeline_progress import Rising, sentence
from speechlocal.containers.command import run
from speechlocal.errors import LocalError
from speechlocal.offline import tools
from speechlocal.terminal import INDENT, heading

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console

    from speechlocal.cluster.access import Access

CHART = paths.REPOSITORY / "charts" / "speechpipeline"
VALUES = paths.REPOSITORY / "local" / "cluster" / "values.yaml"
EXAMPLE = paths.REPOSITORY / "examples" / "speechpipeline.yaml"
RECORDING = paths.RECORDINGS / "austen-leisure-to-consider.wav"
PROMPT = "In one sentence, what does the speaker say?"

RELEASE = NAMESPACE = "speechpipeline"
PIPELINES = "default"  # the namespace of the example, so that a plain `kubectl get sp` shows it

INSTALL_TIMEOUT_S = 180
READY_TIMEOUT_S = 600.0
ROUTE_TIMEOUT_S = 60.0
REQUEST_TIMEOUT_S = 300.0
ASK_AGAIN_S = 0.3


async def deploy(console: Console, access: Access, changed: Collection[str] = ()) -> dict[str, Any]:
    """Install the chart, apply the example, wait until it is ready, and return the answer to the demo's recording.

    The images must be in the cluster already; `changed` are those (tags) that were not when the pods last started.

    Raises:
        LocalError: a step failed, or the pipeline was not ready in time; with what its conditions say.
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
    return await ask(console, access, host, pipeline["spec"]["ollama"]["models"][0]["name"])


def restart(access: Access, images: Collection[str]) -> None:
    """Let pods of these images start anew: the tag of an image that was built again is still the same."""
    listed = (
        run([*access.kubectl, "get", "deployments", "--all-namespaces", "-o", "json"]) if images else '{"items": []}'
    )
    for deployment in json.loads(listed)["items"]:
        meta, pod = deployment["metadata"], deployment["spec"]["template"]["spec"]
        if any(container["image"] in images for container in pod["containers"]):
            run([*access.kubectl, "-n", meta["namespace"], "rollout", "restart", f"deployment/{meta['name']}"])


def install(access: Access) -> None:
    """Install the chart, or upgrade it to what is in this folder; its pods are ready when this returns."""
    release = ("upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace")
    run(
        [*access.helm, *release, "--values", VALUES, "--wait", "--timeout", f"{INSTALL_TIMEOUT_S}s"],
        advice=f"see what the operator says: kubectl -n {NAMESPACE} describe pods",
    )


def apply_example(access: Access) -> dict[str, Any]:
    """Apply examples/speechpipeline.yaml; return the pipeline as the API server has it."""
    applied = run([*access.kubectl, "-n", PIPELINES, "apply", "-f", EXAMPLE, "-o", "json"])
    found: dict[str, Any] = json.loads(applied)
    return found


async def wait_ready(console: Console, access: Access, name: str, *, timeout_s: float = READY_TIMEOUT_S) -> None:
    """Show a pipeline coming up until it is ready.

    Raises:
        LocalError: it was not, in time; with what its conditions say.
    """
    last: pipelines.State | None = None
    try:
        async with asyncio.timeout(timeout_s):
            with Rising(console) as rising:
                async with aclosing(pipelines.watch(access.kubectl, PIPELINES, name)) as states:
                    async for last in states:
                        rising.show(last)
                        if last.ready:
                            return
    except TimeoutError as error:
        why = "\n".join(f"{INDENT}{sentence(one)}" for one in last.troubles) if last else "it has no status"
        raise LocalError(
            f"the pipeline {name} is not ready after {timeout_s:.0f} s:\n{why}",
            f"kubectl -n {PIPELINES} describe sp {name}",
        ) from error


async def ask(console: Console, access: Access, host: str, model: str) -> dict[str, Any]:
    """Send the demo's recording through the ingress and show what comes back; return the whole answer."""
    timeout = aiohttp.ClientTimeout(REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(headers={"Host": host}, timeout=timeout) as session:
        await routed(session, access.url)
        conversation = demo_output.Conversation(console, RECORDING, PROMPT, model)
        async for step in process(session, access.url, read_recording(RECORDING), prompt=PROMPT):
            conversation.show(step)
    return conversation.answer


async def routed(session: aiohttp.ClientSession, url: str, *, timeout_s: float = ROUTE_TIMEOUT_S) -> None:
    """Wait until the ingress leads to the bridge; its controller learns of a new Ingress a moment later than we.

    Raises:
        LocalError: it does not, in time.
    """
    said = ""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    async with session.get(f"{url}/livez") as answer:
                        if answer.ok:
                            return
                        said = f"HTTP {answer.status}"
                except aiohttp.ClientError as error:
                    said = str(error)
                await asyncio.sleep(ASK_AGAIN_S)
    except TimeoutError as error:
        raise LocalError(
            f"the ingress at {url} does not lead to the bridge after {timeout_s:.0f} s: {said}",
            "see whether its controller runs: kubectl get pods --all-namespaces",
        ) from error


def next_steps(console: Console, access: Access) -> None:
    """Say what to do with it."""
    recording = demo_output.shown(RECORDING)
    host = f"speech.localhost:{access.port}"
    heading(console, "Next")
    demo_output.lines(
        console,
        ("kubectl", f"export KUBECONFIG={access.kubeconfig}   # and PATH={tools.ensure('kubectl').parent}:$PATH"),
        ("", "kubectl get sp --watch"),
        ("curl", f"curl -F prompt='Summarise this:' -F file=@{recording} http://{host}/process"),
        ("playground", f"http://{host}/"),
        ("change it", "edit examples/speechpipeline.yaml, then kubectl apply -f examples/speechpipeline.yaml"),
        ("stop", "make cluster-down"),
    )
