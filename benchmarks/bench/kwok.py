"""A cluster of thousands of pods that costs little: the control plane is real, nodes and pods are played by kwok."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.processes import PORT, Process, Program
from bench.subjects import NotThereError
from speechlocal.paths import REPOSITORY
from speechlocal.programs import find

sys.path.append(str(REPOSITORY / "tests"))  # the control plane of the tests

from cluster import control_plane, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster.api import Api

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl", "helm")
NODES = 10
PODS = "127.64.0.1/16"
STAGES = Path(__file__).with_name("kwok.yaml")


@dataclass(frozen=True)
class Cluster:
    """The control plane, what its programs are, and the port of every pod's Ollama."""

    plane: control_plane.ControlPlane
    programs: dict[str, Path]
    ollama_port: int
    parts: tuple[processes.Process, ...]


def programs() -> dict[str, Path]:
    """The programs of a cluster by name.

    Raises:
        NotThereError: one is not on this machine; nothing is built in a benchmark.
    """
    found = {name: find(name) for name in PROGRAMS}
    if missing := [name for name, path in found.items() if path is None]:
        raise NotThereError(f"no {', '.join(missing)} on this machine: `make test` builds what is missing")
    return {name: path for name, path in found.items() if path is not None}


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Start control plane, scheduler and kwok; the controllers wait until the custom resource is defined."""
    found = programs()
    with ExitStack() as ending:
        plane = ending.enter_context(control_plane.running(folder, found))
        kubeconfig = plane.kubeconfig()
        scheduler = [str(found["kube-scheduler"]), f"--config={_scheduler(folder, kubeconfig)}", "--secure-port=0"]
        kwok = [
            *(str(found["kwok"]), f"--kubeconfig={kubeconfig}", "--manage-all-nodes", f"--cidr={PODS}"),
            *("--node-ip=127.0.0.1", f"--config={STAGES}", "--v=ERROR"),
        ]
        parts = tuple(
            processes.Process(name, command, folder, control_plane.LAZY_GC)
            for name, command in (("kube-scheduler", scheduler), ("kwok", kwok))
        )
        for part in parts:
            part.start()
            ending.callback(part.stop)
        ollamas = Program("ollamas", [sys.executable, str(Path(__file__).with_name("ollamas.py")), PORT], {}, "/health")
        port = ending.enter_context(Process(ollamas, folder, os.sched_getaffinity(0))).port
        yield Cluster(plane, found, port, parts)


async def add_nodes(api: Api) -> None:
    """Make the nodes that kwok plays; no controller runs here that would lift the taint they are born with."""
    for name in (f"node-{number}" for number in range(NODES)):
        labels = {"kubernetes.io/hostname": name}
        await api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
        await api.patch("Node", None, name, {"spec": {"taints": None}})


def _scheduler(folder: Path, kubeconfig: Path) -> Path:
    """Its own limit of 50 requests a second would be what is measured."""
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": 1000, "burst": 1000},
        "leaderElection": {"leaderElect": False},
    }
    file = folder / "scheduler.yaml"
    file.write_text(json.dumps(config))
    return file
