"""Whether the GPUs that the pods request are offered, healthy and free."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from speechcli.doctor.facts import is_terminating, labels, name
from speechcli.doctor.verdicts import fault, ok, unchecked, warning
from speechcli.pipeline import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

    Judged: TypeAlias = Callable[[str, str, str], Verdict]

AREA = "gpu"
GPU_LABELS = {
    "nvidia.com/gpu.present": "true",  # NVIDIA's GPU feature discovery
    "feature.node.kubernetes.io/pci-10de.present": "true",  # node feature discovery: a PCI device of NVIDIA
    "feature.node.kubernetes.io/pci-0300_10de.present": "true",
    "feature.node.kubernetes.io/pci-0302_10de.present": "true",
}
GPU_LABEL_NAMES = ("cloud.google.com/gke-accelerator", "k8s.amazonaws.com/accelerator")
"""Labels by which clouds mark nodes with GPUs, whatever their value."""
ENDED = frozenset({"Succeeded", "Failed"})


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge each device resource that a pod of the pipeline requests, such as `nvidia.com/gpu`."""
    if facts.pods.refused:
        yield unchecked(AREA, facts.pods.refused)
        return
    wanted = requested(pod for pod in facts.pods.items if not is_terminating(pod))
    if not wanted:
        yield ok(AREA, "no pod requests a GPU")
        return
    waiting = requested(pod for pod in facts.pods.items if not is_terminating(pod) and not _node(pod))
    for resource in sorted(set(wanted) - set(waiting)):
        yield ok(AREA, f"{wanted[resource]} {resource} requested, all assigned to nodes")
    if facts.nodes.refused:
        yield unchecked(AREA, f"whether {', '.join(wanted)} is allocatable: {facts.nodes.refused}")
        return
    nodes = [node for node in facts.nodes.items if not (node.get("spec") or {}).get("unschedulable")]
    for resource in wanted:
        yield from _unhealthy(nodes, resource)
    judged = warning if state(facts.pipeline).waits_for_node else fault
    for resource, count in waiting.items():
        yield from _free(facts, nodes, resource, count, judged)


def requested(pods: Iterable[Json]) -> Counter[str]:
    """Return the devices that pods request, by resource name."""
    total: Counter[str] = Counter()
    for pod in pods:
        if (pod.get("status") or {}).get("phase") in ENDED:
            continue
        for container in (pod.get("spec") or {}).get("containers") or ():
            for resource, quantity in ((container.get("resources") or {}).get("limits") or {}).items():
                if "/" in resource and _whole(quantity):
                    total[resource] += _whole(quantity)
    return total


def _free(facts: Facts, nodes: Sequence[Json], resource: str, waiting: int, judged: Judged) -> Iterator[Verdict]:
    """Judge whether pods that have no node yet find enough devices, those of terminating pods not being free yet."""
    allocatable = sum(_amount(node, "allocatable", resource) for node in nodes)
    there = {name(node) for node in nodes}
    known = facts.pods if facts.all_pods.refused else facts.all_pods
    users = {
        (pod["metadata"].get("namespace", ""), name(pod)): used
        for pod in known.items
        if _node(pod) in there and (used := requested([pod])[resource])
    }
    free = max(allocatable - sum(users.values()), 0)
    if not allocatable:
        yield _not_offered(nodes, resource, waiting, judged)
    elif waiting > free:
        taken = ", ".join(f"{namespace}/{pod} ({used})" for (namespace, pod), used in sorted(users.items())[:5])
        yield judged(
            AREA,
            f"pods without a node request {waiting} {resource}, {free} of {allocatable} are free"
            f"{f'; used by {taken}' if taken else ''}",
            "add a node with GPUs, stop one of these pods, or lower maxReplicas or spec.scaling.gpuBudget",
        )
    elif facts.all_pods.refused:
        yield unchecked(AREA, f"how many of {allocatable} {resource} other pods use: {facts.all_pods.refused}")
    else:
        yield ok(AREA, f"pods without a node request {waiting} {resource}, {free} of {allocatable} are free")


def _node(pod: Json) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _not_offered(nodes: Iterable[Json], resource: str, wanted: int, judged: Judged) -> Verdict:
    marked = [name(node) for node in nodes if _has_gpu_label(node)]
    if marked:
        return judged(
            AREA,
            f"no node offers {resource}, of which {wanted} are requested, though {', '.join(marked[:5])} has GPUs: the "
            "driver or the device plugin does not run there",
            "kubectl get pods --all-namespaces | grep -i device-plugin, then kubectl logs of the pod on that node",
        )
    return judged(
        AREA,
        f"no node offers {resource}; the pods request {wanted}",
        "add a node with GPUs, its driver and device plugin (NVIDIA: the GPU operator); on CPU: gpu: {count: 0}",
    )


def _unhealthy(nodes: Iterable[Json], resource: str) -> Iterator[Verdict]:
    for node in nodes:
        capacity, healthy = _amount(node, "capacity", resource), _amount(node, "allocatable", resource)
        if healthy < capacity:
            yield warning(
                AREA,
                f"{name(node)}: {healthy} of {capacity} {resource} are healthy",
                f"kubectl describe node {name(node)}; look for Xid errors in the node's kernel log",
            )


def _has_gpu_label(node: Json) -> bool:
    found = labels(node)
    exact = any(found.get(label) == value for label, value in GPU_LABELS.items())
    return exact or any(label in found for label in GPU_LABEL_NAMES)


def _amount(node: Json, which: str, resource: str) -> int:
    return _whole(((node.get("status") or {}).get(which) or {}).get(resource, "0"))


def _whole(quantity: str | int) -> int:
    """Return the number of devices in a quantity: devices are whole, and written without a suffix."""
    return int(quantity) if str(quantity).isdecimal() else 0
