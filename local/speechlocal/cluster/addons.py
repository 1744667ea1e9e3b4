"""The add-ons of a cluster: ingress, metrics, dashboards, a registry of models; and two simulated GPUs."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import loopback, paths
from speechlocal.cluster import dashboards, kind
from speechlocal.containers import command
from speechlocal.errors import LocalError
from speechlocal.offline import provide

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MANIFESTS = paths.CLUSTER / "addons"
IMAGE_PLACEHOLDER = "ADDON_IMAGE"
DIGEST_PLACEHOLDER = "ADDON_DIGEST"
"""In an annotation of pods that read ConfigMaps, which restarts them when these change."""

READY_WITHIN_S = 180
ANSWER_WITHIN_S = 5.0
POLL_S = 0.2
GPU = "nvidia.com/gpu"
SIMULATED_GPUS = {GPU: "2"}


@dataclass(frozen=True)
class Addon:
    """An add-on: its image is `provide.image(name)`, and it is ready when the Deployment of its name is.

    Only the end of `cluster up` waits for a `slow` one: no pipeline needs it. `host` is its name at the ingress, if it
    has one.
    """

    name: str
    namespace: str
    purpose: str
    slow: bool = False
    host: str = ""

    @property
    def manifest(self) -> Path:
        """The file with its objects."""
        return MANIFESTS / f"{self.name}.yaml"


ADDONS = (
    Addon("traefik", "traefik", "ingress"),
    Addon("model-registry", "models", "models for Ollama to pull"),
    Addon("metrics-server", "kube-system", "kubectl top, autoscaling on CPU", slow=True),
    Addon("dashboards", dashboards.NAMESPACE, "Prometheus, Grafana dashboards", slow=True, host=dashboards.HOST),
)


def built_images() -> list[str]:
    """Return the images of add-ons that a node cannot pull: they are in the engine and must be copied."""
    return [provide.tag(addon.name) for addon in ADDONS if provide.is_built(addon.name)]


def apply(name: str) -> None:
    """Apply all add-ons to the cluster `name`, and give its node the GPUs."""
    page = json.dumps(dashboards.config_map())
    for addon in ADDONS:
        objects = addon.manifest.read_text() + (f"---\n{page}\n" if addon.namespace == dashboards.NAMESPACE else "")
        kubectl(name, "apply", "--filename=-", stdin=filled(objects, provide.tag(addon.name)))
    patch = json.dumps({"status": {"capacity": SIMULATED_GPUS}})
    kubectl(name, "patch", "node", kind.node(name), "--subresource=status", "--type=merge", f"--patch={patch}")


def filled(manifest: str, image: str) -> str:
    """Return a manifest with the image and the digest in their places."""
    digest = hashlib.sha256(manifest.encode()).hexdigest()[:12]
    return manifest.replace(IMAGE_PLACEHOLDER, image).replace(DIGEST_PLACEHOLDER, digest)


def wait_ready(name: str, addons: Iterable[Addon] = ADDONS) -> None:
    """Return when add-ons are ready; raise LocalError with the state of the pods of one that is not in time."""
    for addon in addons:
        rollout = ("rollout", "status", f"deployment/{addon.name}", f"--namespace={addon.namespace}")
        try:
            kubectl(name, *rollout, f"--timeout={READY_WITHIN_S}s")
        except LocalError as error:
            pods = kubectl(name, "get", "pods", f"--namespace={addon.namespace}", "--output=wide")
            raise LocalError(f"{addon.name} is not ready after {READY_WITHIN_S} s:\n{pods}", error.advice) from error


def wait_reachable(name: str, port: int) -> None:
    """Return when the cluster resolves names and its ingress answers requests: kind waits for neither.

    Raises:
        LocalError: one of them timed out.
    """
    kubectl(name, "rollout", "status", "deployment/coredns", "--namespace=kube-system", f"--timeout={READY_WITHIN_S}s")
    deadline = time.monotonic() + READY_WITHIN_S
    while not ingress_answers(port):
        if time.monotonic() > deadline:
            raise LocalError(f"the ingress does not answer on {loopback.address(port)}", "make cluster-status")
        time.sleep(POLL_S)


def ingress_answers(port: int) -> bool:
    """Return whether the ingress's port responds to HTTP; a 404 for an unknown host is a response too."""
    connection = http.client.HTTPConnection(loopback.HOST, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def kubectl(name: str, *arguments: str, stdin: str = "") -> str:
    """Run kubectl on the cluster `name` and return its output; raise LocalError as `command.run` does."""
    return command.run([provide.program("kubectl"), f"--kubeconfig={kind.kubeconfig(name)}", *arguments], stdin=stdin)
