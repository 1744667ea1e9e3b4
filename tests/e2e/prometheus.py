"""A Prometheus of the tests' own that scrapes the cluster: a process on this machine, through the API server.

The pods' addresses cannot be reached from here, so each pod is scraped through its `proxy` subresource. Its series
have the labels that docs/how-to/alerts.md asks for.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from yarl import URL

from cluster.api import Access, Object
from e2e.kind_cluster import KindCluster
from installed import installed
from speechlocal import debian
from speechlocal.children import Program, free_port, running
from speechoperator.api import labels as labels_of

POLL_S = 0.5
FOLLOW_EVERY_S = 1.0
TARGETS = "targets.json"
APPLICATIONS = (labels_of.APPLICATION, labels_of.MANAGER)
COMPONENTS = {"bridge", "whisper", "operator"}
PORT = "http"
"""The port of every container with metrics."""

Sample = tuple[dict[str, str], float]
"""Labels, with the name as `__name__`, and the value."""
Alert = dict[str, Any]
"""An active alert as the API has it: `labels`, `annotations`, `state` (pending or firing), `value`."""


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    session: aiohttp.ClientSession

    async def query(self, expression: str) -> list[Sample]:
        """Return the samples of an instant query; AssertionError with Prometheus' words if it fails."""
        found = await self.get("query", query=expression)
        assert found["resultType"] == "vector", found["resultType"]
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    async def get(self, endpoint: str, **query: str) -> Any:
        """Return the data of an endpoint below `/api/v1/`; AssertionError with Prometheus' words if it fails."""
        async with self.session.get(f"{self.url}/api/v1/{endpoint}", params=query) as answer:
            body = await answer.json()
        assert body["status"] == "success", f"{endpoint} {query}: {body}"
        return body["data"]

    async def alerts(self, **labels: str) -> list[Alert]:
        """Return the pending and firing alerts with these labels."""
        every = (await self.get("alerts"))["alerts"]
        return [one for one in every if labels.items() <= one["labels"].items()]

    async def until(self, expression: str, condition: Callable[[list[Sample]], bool], within_s: float) -> list[Sample]:
        """Wait until the samples of a query meet a condition; AssertionError with the last ones when time is up."""
        last: list[Sample] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not condition(last := await self.query(expression)):  # noqa: ASYNC110 - nothing announces it
                    await asyncio.sleep(POLL_S)
                return last
        raise AssertionError(f"not within {within_s:.0f} s: {expression} is {last}")


@contextlib.asynccontextmanager
async def scraping(
    cluster: KindCluster, folder: Path, *, rules: Sequence[Path] = (), every_s: int = 2
) -> AsyncIterator[Prometheus]:
    """Start a Prometheus that scrapes the operator, the bridges and the Whisper pods of all namespaces.

    Args:
        cluster: Where they run.
        folder: An empty folder for the configuration and the data.
        rules: Rule files.
        every_s: Seconds between two scrapes, and between two evaluations of rules without an interval of their own.

    Raises:
        ChildError: it did not start; the message has its log.
        ApiError: the pods could not be listed.
    """
    program = installed("prometheus", debian.PROMETHEUS)
    authority, token = folder / "ca.crt", folder / "token"
    authority.write_text(trusted(cluster.api_access))
    token.write_text(cluster.api_access.token)
    token.chmod(0o600)
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(configuration(authority, token, rules, every_s)))
    url = f"http://127.0.0.1:{free_port()}"
    options = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={URL(url).authority}",
        "--log.level=warn",
    )
    async with (
        running([Program("prometheus", [str(program), *options], f"{url}/-/ready")]),
        aiohttp.ClientSession() as session,
    ):
        following = asyncio.create_task(follow(cluster, folder / TARGETS))
        try:
            yield Prometheus(url, session)
        finally:
            if following.done():
                following.result()  # raises what ended it
            following.cancel()


def trusted(access: Access) -> str:
    """Return the certificate authority of the API server, as PEM."""
    return "".join(ssl.DER_cert_to_PEM_cert(one) for one in access.trust.get_ca_certs(binary_form=True))


def configuration(authority: Path, token: Path, rules: Sequence[Path], every_s: int) -> Object:
    """Return the content of prometheus.yml."""
    every = f"{every_s}s"
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(file) for file in rules],
        "scrape_configs": [
            {
                "job_name": "speechpipeline",
                "honor_labels": True,
                "scheme": "https",
                "authorization": {"credentials_file": str(token)},
                "tls_config": {"ca_file": str(authority)},
                "file_sd_configs": [{"files": [str(authority.parent / TARGETS)], "refresh_interval": every}],
            }
        ],
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
