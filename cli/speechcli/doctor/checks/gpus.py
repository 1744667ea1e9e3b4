"""Whether the GPUs that the pods request are offered, healthy and free."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from speechcli.doctor.facts import labels, name
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "gpu"
NOT_DEVICES = ("hugepages-", "attachable-volumes-")
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
    wanted = requested(facts.pods.items)
    if facts.pods.refused:
        yield unchecked(AREA, facts.pods.refused)
        return
    if not wanted:
        yield ok(AREA, "no pod requests a GPU")
        return
    if facts.nodes.refused:
        yield unchecked(AREA, f"whether {', '.join(wanted)} is allocatable: {facts.nodes.refused}")
        return
    for resource, count in wanted.items():
        yield from _resource(facts, resource, count)


def requested(pods: Iterable[Json]) -> Counter[str]:
    """Return the devices that pods request, by resource name."""
    total: Counter[str] = Counter()
    for pod in pods:
        if (pod.get("status") or {}).get("phase") in ENDED:
            continue
        for container in (pod.get("spec") or {}).get("containers") or ():
            for resource, quantity in ((container.get("resources") or {}).get("limits") or {}).items():
                if "/" in resource and not resource.startswith(NOT_DEVICES) and _whole(quantity):
                    total[resource] += _whole(quantity)
    return total


def _resource(facts: Facts, resource: str, wanted: int) -> Iterator[Verdict]:
    nodes = [node for node in facts.nodes.items if not (node.get("spec") or {}).get("unschedulable")]
    allocatable = sum(_amount(node, "allocatable", resource) for node in nodes)
    yield from _unhealthy(nodes, resource)
    if not allocatable:
        yield _not_offered(nodes, resource, wanted)
    elif wanted > allocatable:
        yield fault(
            AREA,
            f"the pods request {wanted} {resource}, all nodes together have {allocatable}",
            "add a node with GPUs, or lower maxReplicas or spec.scaling.gpuBudget",
        )
    elif facts.all_pods.refused:
        yield ok(AREA, f"{wanted} {resource} requested, {allocatable} allocatable")
        yield unchecked(AREA, f"how many {resource} other pods use: {facts.all_pods.refused}")
    else:
        yield _free(facts, resource, wanted, allocatable)


def _free(facts: Facts, resource: str, wanted: int, allocatable: int) -> Verdict:
    ours = {(facts.namespace, name(pod)) for pod in facts.pods.items}
    others = {
        (pod["metadata"].get("namespace", ""), name(pod)): used
        for pod in facts.all_pods.items
        if (pod.get("spec") or {}).get("nodeName") and (used := requested([pod])[resource])
    }
    users = {who: used for who, used in others.items() if who not in ours}
    free = allocatable - sum(users.values())
    if wanted <= free:
        return ok(AREA, f"{wanted} {resource} requested, {free} of {allocatable} not used by others")
    taken = ", ".join(f"{namespace}/{pod} ({used})" for (namespace, pod), used in sorted(users.items())[:5])
    return fault(
        AREA,
        f"the pods request {wanted} {resource}, {max(free, 0)} of {allocatable} are free; used by {taken}",
        "add a node with GPUs, stop one of these pods, or lower maxReplicas or spec.scaling.gpuBudget",
    )


def _not_offered(nodes: Iterable[Json], resource: str, wanted: int) -> Verdict:
    marked = [name(node) for node in nodes if _has_gpu_label(node)]
    if marked:
        return fault(
            AREA,
            f"no node offers {resource}, which {wanted} are requested of, though {', '.join(marked[:5])} has GPUs: the "
            "driver or the device plugin does not run there",
            "kubectl get pods --all-namespaces | grep -i device-plugin, then kubectl logs of the pod on that node",
        )
    return fault(
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
