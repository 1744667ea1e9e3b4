"""kind, the program: a Kubernetes node as a container, with its ingress on one port of the loopback address."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechlocal import loopback, paths
from speechlocal.containers import command, docker
from speechlocal.errors import LocalError
from speechlocal.images.nodes import CLUSTER_LABEL
from speechlocal.offline import provide

if TYPE_CHECKING:
    from pathlib import Path

    from speechlocal.progress import Report

INGRESS_PORT = 80
CREATE_WITHIN = "180s"
NETWORK = "kind"
MISSING_CAPABILITY = "unable to apply caps"


def kubeconfig(name: str) -> Path:
    """Return the kubeconfig of a cluster: a file of its own, never the user's."""
    return paths.cache() / f"kubeconfig-{name}"


def unlock(name: str) -> None:
    """Remove the lock on a cluster's kubeconfig: a killed kind leaves it behind, and every later one then fails.

    Only safe while no other kind works on this cluster.
    """
    kubeconfig(name).with_name(f"{kubeconfig(name).name}.lock").unlink(missing_ok=True)


def node(name: str) -> str:
    """Return the name of a cluster's only node, which is also its container's."""
    return f"{name}-control-plane"


def config(port: int) -> dict[str, Any]:
    """Return kind's configuration: one node, its port 80 on `port` of the loopback address and on no other."""
    mapping = {"containerPort": INGRESS_PORT, "hostPort": port, "listenAddress": loopback.HOST, "protocol": "TCP"}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": loopback.HOST},
        "nodes": [{"role": "control-plane", "extraPortMappings": [mapping]}],
    }


def create(name: str, image: str, port: int, report: Report) -> None:
    """Create a cluster and wait for its control plane; without an `image` kind pulls the one it was released with.

    Raises:
        LocalError: kind failed, for example because the port is in use.
    """
    settings = kubeconfig(name).with_suffix(".kind.json")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(config(port)))
    options = [*(("--image", image) if image else ()), "--config", str(settings), "--kubeconfig", str(kubeconfig(name))]
    try:
        kind("create", "cluster", "--name", name, *options, "--wait", CREATE_WITHIN, report=report)
    except LocalError as error:
        raise LocalError(error.message, advice_for(error.message, port)) from error
    finally:
        settings.unlink()


def advice_for(message: str, port: int) -> str:
    """Return what the user can do about a cluster that could not be created, from the error message."""
    if MISSING_CAPABILITY in message:
        return (
            "this machine's root lacks CAP_SYS_RESOURCE, and the running engine was started without support for that: "
            "stop it and run this command again, which starts one"
        )
    if port_in_use(message):
        return f"port {port} is in use: free it, or choose another one with --port"
    return "`docker ps --all` and `docker logs CONTAINER` show more about the node"


def port_in_use(message: str) -> bool:
    """Return whether the engine failed because something else listens on the port."""
    return "port is already allocated" in message or "address already in use" in message


def delete(name: str) -> None:
    """Delete a cluster and its kubeconfig; a missing one is no error."""
    kind("delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig(name)))
    kubeconfig(name).unlink(missing_ok=True)


def clusters() -> list[str]:
    """Return the names of the clusters that this engine has, running or not."""
    labels = docker.docker(
        "ps", "--all", "--filter", f"label={CLUSTER_LABEL}", "--format", f'{{{{.Label "{CLUSTER_LABEL}"}}}}'
    )
    return sorted(set(labels.split()))


def export_kubeconfig(name: str, target: Path) -> None:
    """Write the access to a cluster into `target`, merging it with its content."""
    kind("export", "kubeconfig", "--name", name, "--kubeconfig", str(target))


def remove_from_kubeconfig(name: str, target: Path) -> None:
    """Remove the access to a deleted cluster from `target`."""
    kind("delete", "cluster", "--name", name, "--kubeconfig", str(target))


def kind(*arguments: str, report: Report | None = None) -> str:
    """Run `kind ARGUMENTS` with Docker and return its output."""
    return command.run(
        [provide.program("kind"), *arguments],
        environment={"KIND_EXPERIMENTAL_PROVIDER": "docker"},
        report=report,
    )
