"""A Prometheus of the tests' own that scrapes the cluster: a process on this machine, through the API server.

The pods' addresses cannot be reached from here, so each pod is scraped through its `proxy` subresource. Its series
have the labels that docs/how-to/alerts.md asks for.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path

from yarl import URL

from cluster.api import Access, Object
from e2e.kind_cluster import KindCluster
from prometheus import EVERY_S, Prometheus, running
from speechoperator.api import labels as labels_of

FOLLOW_EVERY_S = 1.0
TARGETS = "targets.json"
APPLICATIONS = (labels_of.APPLICATION, labels_of.MANAGER)
COMPONENTS = {"bridge", "whisper", "operator"}
PORT = "http"
"""The port of every container with metrics."""


@contextlib.asynccontextmanager
async def scraping(cluster: KindCluster, folder: Path, *, rules: Sequence[Path] = ()) -> AsyncIterator[Prometheus]:
    """Start a Prometheus that scrapes the operator, the bridges and the Whisper pods of all namespaces.

    Args:
        cluster: Where they run.
        folder: An empty folder for the configuration and the data.
        rules: Rule files.

    Raises:
        ChildError: it did not start; the message has its log.
        ApiError: the pods could not be listed.
    """
    authority, token = folder / "ca.crt", folder / "token"
    authority.write_text(trusted(cluster.api_access))
    token.write_text(cluster.api_access.token)
    token.chmod(0o600)
    jobs = [job(authority, token, folder / TARGETS)]
    async with running(folder, jobs, rules=[str(file) for file in rules]) as started:
        following = asyncio.create_task(follow(cluster, folder / TARGETS))
        try:
            yield started
        finally:
            if following.done():
                following.result()  # raises what ended it
            following.cancel()


def trusted(access: Access) -> str:
    """Return the certificate authority of the API server, as PEM."""
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in access.trust.get_ca_certs(binary_form=True))


def job(authority: Path, token: Path, listed: Path) -> Object:
    """Return the scrape job of the pods that are listed in a file."""
    return {
        "job_name": "speechpipeline",
        "honor_labels": True,
        "scheme": "https",
        "authorization": {"credentials_file": str(token)},
        "tls_config": {"ca_file": str(authority)},
        "file_sd_configs": [{"files": [str(listed)], "refresh_interval": f"{EVERY_S}s"}],
    }


def targets(pods: Iterable[Object], authority: str) -> list[Object]:
    """Return what Prometheus scrapes, as a file of `file_sd_configs` has it: the API server, with the path of a pod."""
    return [
        {"targets": [authority], "labels": labels(pod, port)}
        for pod in pods
        if pod["metadata"]["labels"].get(labels_of.COMPONENT) in COMPONENTS and pod["status"]["phase"] == "Running"
        for port in ports(pod)
    ]


def ports(pod: Object) -> list[int]:
    """Return the ports with metrics: one, or none of a pod that belongs to a hook of the chart."""
    return [
        port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
        if port.get("name") == PORT
    ]


def labels(pod: Object, port: int) -> dict[str, str]:
    """Return the labels of the series of a pod, and the path to scrape."""
    meta = pod["metadata"]
    pipeline = meta["labels"].get(labels_of.PIPELINE)
    return {
        "__metrics_path__": f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{port}/proxy/metrics",
        "instance": f"{meta['name']}:{port}",
        "namespace": meta["namespace"],
        "pod": meta["name"],
        **({"pipeline": pipeline} if pipeline else {}),
    }


async def follow(cluster: KindCluster, file: Path) -> None:
    """Write the targets into a file, again and again. Debian's Prometheus is built without discovery in Kubernetes."""
    authority = URL(cluster.api_access.url).authority
    async with cluster.api() as api:
        while True:
            pods = await api.list("Pod", labelSelector=f"{labels_of.NAME} in ({', '.join(APPLICATIONS)})")
            written = file.with_suffix(".new")
            written.write_text(json.dumps(targets(pods, authority)))
            written.rename(file)
            await asyncio.sleep(FOLLOW_EVERY_S)
