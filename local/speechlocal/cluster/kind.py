"""kind, the program: a Kubernetes node as a container, its ingress on one port of 127.0.0.1."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from speechlocal import paths
from speechlocal.containers import command, docker
from speechlocal.errors import LocalError
from speechlocal.offline import tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOPBACK = "127.0.0.1"
INGRESS_PORT = 80
CREATE_WITHIN = "180s"
CLUSTER_LABEL = "io.x-k8s.kind.cluster"
NETWORK = "kind"
FEWER_RIGHTS = "unable to apply caps"


def kubeconfig(name: str) -> Path:
    """Return where the access to a cluster is kept: a file of its own, never the user's."""
    return paths.cache() / f"kubeconfig-{name}"


def unlock(name: str) -> None:
    """Take away the lock on the access to a cluster: a kind that was killed leaves it, and every later one then fails.

    Only while no other kind works on this cluster.
    """
    kubeconfig(name).with_name(f"{kubeconfig(name).name}.lock").unlink(missing_ok=True)


def node(name: str) -> str:
    """Return the name of a cluster's only node, which is its container's name too."""
    return f"{name}-control-plane"


def config(port: int) -> dict[str, Any]:
    """Return kind's configuration: one node, its port 80 on `port` of the loopback address and on no other."""
    mapping = {"containerPort": INGRESS_PORT, "hostPort": port, "listenAddress": LOOPBACK, "protocol": "TCP"}
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"apiServerAddress": LOOPBACK},
        "nodes": [{"role": "control-plane", "extraPortMappings": [mapping]}],
    }


def create(name: str, image: str, port: int, say: Callable[[str], None]) -> None:
    """Create a cluster and wait for its control plane; without an `image` kind pulls the one it was published with.

    Raises:
        LocalError: kind failed, for example because the port is taken.
    """
    settings = kubeconfig(name).with_suffix(".kind.json")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(config(port)))
    options = [*(("--image", image) if image else ()), "--config", str(settings), "--kubeconfig", str(kubeconfig(name))]
    try:
        kind("create", "cluster", "--name", name, *options, "--wait", CREATE_WITHIN, say=say)
    except LocalError as error:
        raise LocalError(error.message, advice_for(error.message, port)) from error
    finally:
        settings.unlink()


def advice_for(message: str, port: int) -> str:
    """Return what to do about a cluster that could not be created, by what was said."""
    if FEWER_RIGHTS in message:
        return (
            "this machine's root lacks CAP_SYS_RESOURCE, and the engine that runs was not started for that: stop it, "
            "and let this command start one"
        )
    if port_taken(message):
        return f"something listens on port {port}: stop it, or choose another port with --port"
    return "`docker ps --all` and `docker logs CONTAINER` tell more about the node"


def port_taken(message: str) -> bool:
    """Tell whether an engine refused because something else listens on the port."""
    return "port is already allocated" in message or "address already in use" in message


def delete(name: str) -> None:
    """Delete a cluster with all that was in it, and the access to it; one that is not there is no error."""
    kind("delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig(name)))
    kubeconfig(name).unlink(missing_ok=True)


def clusters() -> list[str]:
    """Return the names of the clusters that this engine has, running or not."""
    labels = docker.docker(
        "ps", "--all", "--filter", f"label={CLUSTER_LABEL}", "--format", f'{{{{.Label "{CLUSTER_LABEL}"}}}}'
    )
    return sorted(set(labels.split()))


def export_kubeconfig(name: str, target: Path) -> None:
    """Write or merge the access to a cluster into `target`."""
    kind("export", "kubeconfig", "--name", name, "--kubeconfig", str(target))


def forget(name: str, target: Path) -> None:
    """Take the access to a cluster out of `target`; the cluster is gone already."""
    kind("delete", "cluster", "--name", name, "--kubeconfig", str(target))


def kind(*arguments: str, say: Callable[[str], None] | None = None) -> str:
    """Run `kind ARGUMENTS` with Docker and return its output."""
    return command.run(
        [tools.ensure("kind"), *arguments],
        environment={"KIND_EXPERIMENTAL_PROVIDER": "docker"},
        say=say,
    )
