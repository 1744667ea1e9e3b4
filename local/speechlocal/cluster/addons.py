"""What a cluster gets beyond Kubernetes: ingress, measurements, a registry of models, and two pretended GPUs."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import paths
from speechlocal.cluster import kind
from speechlocal.containers import command, registries
from speechlocal.errors import LocalError
from speechlocal.offline import addon_images, base_image, tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANIFESTS = paths.REPOSITORY / "local" / "cluster" / "addons"
IMAGE_PLACE = "PART_IMAGE"
READY_WITHIN_S = 180
ANSWER_WITHIN_S = 5.0
POLL_S = 0.2
FAKE_GPUS = {"nvidia.com/gpu": "2"}


@dataclass(frozen=True)
class Part:
    """A part of the cluster: `manifest` is a file in MANIFESTS; the Deployment of its name is ready when it is.

    `image` is where it runs from when the node cannot pull `published`; without `published` it is always made here, by
    `ensure`, which takes about `seconds` once the `program` in it is built, where that is one of ours to build.
    """

    name: str
    namespace: str
    purpose: str
    image: str
    ensure: Callable[[Callable[[str], None]], str]
    seconds: int
    program: str = ""
    published: str = ""
    slow: bool = False  # ready only after it has measured for a while: nothing waits for it but the end

    @property
    def manifest(self) -> Path:
        """The file with its objects."""
        return MANIFESTS / f"{self.name}.yaml"


def parts() -> tuple[Part, ...]:
    """Return all parts, in the order in which they are shown."""
    return (
        Part(
            "traefik",
            "traefik",
            "ingress",
            addon_images.TRAEFIK,
            addon_images.ensure_traefik,
            seconds=10,
            published=addon_images.TRAEFIK_PUBLISHED,
        ),
        Part(
            "model-registry",
            "models",
            "models for Ollama to pull",
            addon_images.model_registry(base_image.tag()),
            addon_images.ensure_model_registry,
            seconds=20,
        ),
        Part(
            "metrics-server",
            "kube-system",
            "kubectl top, autoscaling by CPU",
            addon_images.METRICS_SERVER,
            addon_images.ensure_metrics_server,
            seconds=5,
            program="metrics-server",
            published=addon_images.METRICS_SERVER_PUBLISHED,
            slow=True,
        ),
    )


def made_here() -> tuple[Part, ...]:
    """Return the parts whose images are made on this machine."""
    return tuple(part for part in parts() if not (part.published and registries.answer()))


def apply(name: str) -> None:
    """Apply the objects of all parts to the cluster `name`, and give its node the GPUs; what is there already stays."""
    here = {part.name for part in made_here()}
    for part in parts():
        image = part.image if part.name in here else part.published
        kubectl(name, "apply", "--filename=-", stdin=part.manifest.read_text().replace(IMAGE_PLACE, image))
    patch = json.dumps({"status": {"capacity": FAKE_GPUS}})
    kubectl(name, "patch", "node", kind.node(name), "--subresource=status", "--type=merge", f"--patch={patch}")


def wait_ready(name: str, wanted: tuple[Part, ...]) -> None:
    """Return when parts are ready; raise LocalError with the state of their pods when one is not in time."""
    for part in wanted:
        rollout = ("rollout", "status", f"deployment/{part.name}", f"--namespace={part.namespace}")
        try:
            kubectl(name, *rollout, f"--timeout={READY_WITHIN_S}s")
        except LocalError as error:
            pods = kubectl(name, "get", "pods", f"--namespace={part.namespace}", "--output=wide")
            raise LocalError(f"{part.name} is not ready after {READY_WITHIN_S} s:\n{pods}", error.advice) from error


def wait_answers(name: str, port: int) -> None:
    """Return when the cluster's names can be resolved and its ingress answers requests: kind waits for neither.

    Raises:
        LocalError: one does not, in time.
    """
    kubectl(name, "rollout", "status", "deployment/coredns", "--namespace=kube-system", f"--timeout={READY_WITHIN_S}s")
    deadline = time.monotonic() + READY_WITHIN_S
    while not ingress_answers(port):
        if time.monotonic() > deadline:
            raise LocalError(f"the ingress does not answer on {kind.LOOPBACK}:{port}", "make cluster-status")
        time.sleep(POLL_S)


def ingress_answers(port: int) -> bool:
    """Tell whether something answers HTTP on the ingress's port; 404 for a host that nobody serves is an answer."""
    asking = http.client.HTTPConnection(kind.LOOPBACK, port, timeout=ANSWER_WITHIN_S)
    try:
        asking.request("GET", "/")
        asking.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asking.close()
    return True


def kubectl(name: str, *arguments: str, stdin: str = "") -> str:
    """Run kubectl on the cluster `name` and return its output; raises LocalError as `command.run` does."""
    return command.run([tools.ensure("kubectl"), f"--kubeconfig={kind.kubeconfig(name)}", *arguments], stdin=stdin)
