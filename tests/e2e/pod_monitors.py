"""PodMonitors of the chart as scrape jobs of a Prometheus outside the cluster, which reaches pods by the API server.

Debian builds Prometheus without the discovery of pods. So the pods of the moment are static targets, with the labels
that the discovery gives them; the relabeling is the chart's.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from speechlocal import paths
from speechlocal.cluster import platform

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.kind_cluster import KindCluster

NAMESPACES = (platform.NAMESPACE, platform.PIPELINES)
"""Those of the operator and of the pipeline of the example: pods in the namespaces of earlier tests may be ending."""

_META = "__meta_kubernetes_pod_"


def jobs(cluster: KindCluster, folder: Path) -> list[dict[str, Any]]:
    """The scrape jobs; what they need to trust and to be trusted is written into the folder."""
    config = yaml.safe_load(cluster.way.kubeconfig.read_text())["clusters"][0]["cluster"]
    server = config["server"]
    authority, token = folder / "ca.crt", folder / "token"
    authority.write_bytes(base64.b64decode(config["certificate-authority-data"]))
    token.write_text(cluster.api_access.token)
    access = {
        "tls_config": {"ca_file": str(authority)},
        "authorization": {"credentials_file": str(token)},
    }
    rendered = cluster.helm(
        "template",
        platform.RELEASE,
        paths.CHART,
        "--namespace",
        platform.NAMESPACE,
        "--values",
        platform.VALUES,
        "--set",
        "metrics.podMonitors.enabled=true",
        "--show-only",
        "templates/pod-monitors.yaml",
    )
    found = json.loads(cluster.kubectl("get", "pods", "--all-namespaces", "-o", "json"))["items"]
    pods = [
        pod
        for pod in found
        if pod["metadata"]["namespace"] in NAMESPACES and "deletionTimestamp" not in pod["metadata"]
    ]
    monitors = [body for body in yaml.safe_load_all(rendered) if body and body["kind"] == "PodMonitor"]
    return [_job(body, pods, access, server) for body in monitors]


def _job(monitor: dict[str, Any], pods: list[dict[str, Any]], access: dict[str, Any], server: str) -> dict[str, Any]:
    spec, own = monitor["spec"], monitor["metadata"]["namespace"]
    (endpoint,) = spec["podMetricsEndpoints"]
    selector = spec.get("namespaceSelector", {})
    names = selector.get("matchNames", [own])
    known = [pod for pod in pods if selector.get("any") or pod["metadata"]["namespace"] in names]
    return {
        "job_name": monitor["metadata"]["name"],
        "scheme": "https",
        "honor_labels": endpoint.get("honorLabels", False),
        "static_configs": [target for pod in known for target in _targets(pod)],
        **access,
        "relabel_configs": [
            *_selected(spec["selector"]),
            _keep(f"{_META}container_port_name", endpoint["port"]),
            _keep(f"{_META}phase", "Running"),
            *(_relabeling(one) for one in endpoint.get("relabelings", ())),
            _copy("namespace", "__meta_kubernetes_namespace"),
            _copy("pod", f"{_META}name"),
            _copy("instance", f"{_META}name"),
            *_by_way_of(server),
        ],
    }


def _targets(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """The target of each port of a pod, labelled as by `kubernetes_sd_configs` with the role `pod`.

    Source: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#pod
    """
    meta = pod["metadata"]
    common = {_label(name): value for name, value in meta.get("labels", {}).items()} | {
        "__meta_kubernetes_namespace": meta["namespace"],
        f"{_META}name": meta["name"],
        f"{_META}phase": pod["status"]["phase"],
    }
    return [
        {
            "targets": [f"{meta['name']}:{port['containerPort']}"],
            "labels": {
                **common,
                f"{_META}container_image": container["image"],
                f"{_META}container_port_name": port.get("name", ""),
                f"{_META}container_port_number": str(port["containerPort"]),
            },
        }
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    ]


def _selected(selector: dict[str, Any]) -> list[dict[str, Any]]:
    exact = [_keep(_label(name), re.escape(value)) for name, value in selector.get("matchLabels", {}).items()]
    among = [_keep(_label(one["key"]), "|".join(one["values"])) for one in selector.get("matchExpressions", ())]
    return exact + among


def _relabeling(one: dict[str, Any]) -> dict[str, Any]:
    """A relabeling of a PodMonitor as Prometheus spells it."""
    return {re.sub("([A-Z])", lambda upper: f"_{upper[1].lower()}", name): value for name, value in one.items()}


def _by_way_of(server: str) -> list[dict[str, Any]]:
    """Have the API server pass the request on to the pod."""
    place = ["__meta_kubernetes_namespace", f"{_META}name", f"{_META}container_port_number"]
    return [
        {
            "source_labels": place,
            "separator": ";",
            "regex": "(.+);(.+);(.+)",
            "target_label": "__metrics_path__",
            "replacement": "/api/v1/namespaces/$1/pods/$2:$3/proxy/metrics",
        },
        {"target_label": "__address__", "replacement": urlsplit(server).netloc},
    ]


def _label(name: str) -> str:
    return f"{_META}label_{re.sub('[^a-zA-Z0-9_]', '_', name)}"


def _keep(source: str, regex: str) -> dict[str, Any]:
    return {"source_labels": [source], "regex": regex, "action": "keep"}


def _copy(target: str, source: str) -> dict[str, Any]:
    return {"source_labels": [source], "target_label": target}
