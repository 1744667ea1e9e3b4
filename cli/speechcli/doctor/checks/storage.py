"""Whether the PVCs of the models are bound, and have space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.facts import COMPONENT_LABEL, labels, latest_event, name
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "storage"
NEARLY_FULL = 0.9
GIB = 2**30


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the PVCs that the pods mount, or that the spec names."""
    if facts.pvcs.refused:
        yield unchecked(AREA, facts.pvcs.refused)
        return
    found = {name(pvc): pvc for pvc in facts.pvcs.items}
    wanted = mounted(facts) | named(facts)
    for pvc in sorted(wanted):
        yield from _pvc(facts, pvc, found.get(pvc))
    if facts.pods.refused:
        yield unchecked(AREA, f"which PVCs the pods use: {facts.pods.refused}")
    elif not wanted and not facts.pods.items:
        yield unchecked(AREA, "which PVCs the pods use: there are no pods")
    elif not wanted and any("nodePath" in cache or "image" in cache for cache in _caches(facts)):
        yield ok(AREA, "the pods use no PVCs: the models are on the nodes or in an image")
    elif not wanted:
        yield ok(AREA, "the pods use no PVCs: a pod that starts downloads its models again")


def mounted(facts: Facts) -> set[str]:
    """Return the names of the PVCs that the pods mount."""
    return {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in facts.pods.items
        for volume in (pod.get("spec") or {}).get("volumes") or ()
        if "persistentVolumeClaim" in volume
    }


def named(facts: Facts) -> set[str]:
    """Return the names of the PVCs that the spec names."""
    return {cache["existingClaim"] for cache in _caches(facts) if cache.get("existingClaim")}


def _caches(facts: Facts) -> list[Json]:
    return [(facts.spec.get(component) or {}).get("cache") or {} for component in ("whisper", "ollama")]


def _pvc(facts: Facts, pvc: str, found: Json | None) -> Iterator[Verdict]:
    if found is None:
        yield fault(AREA, f"PVC {pvc} does not exist", f"create it, or change cache.existingClaim of {facts.name}")
        return
    phase = (found.get("status") or {}).get("phase", "Pending")
    if phase != "Bound":
        said = latest_event(facts, "PersistentVolumeClaim", pvc)
        yield fault(
            AREA,
            f"PVC {pvc} is {phase}{f': {said}' if said else ''}",
            f"kubectl -n {facts.namespace} describe pvc {pvc}; kubectl get storageclasses",
        )
        return
    use = facts.volumes.get(pvc)
    if use is None or not use.capacity:
        yield ok(AREA, f"PVC {pvc} is bound")
        yield unchecked(AREA, f"how full PVC {pvc} is: the kubelet did not say (permission: get nodes/proxy)")
        return
    text = f"PVC {pvc}: {use.used / GIB:.1f} of {use.capacity / GIB:.1f} GiB used"
    if use.used < NEARLY_FULL * use.capacity:
        yield ok(AREA, text)
        return
    component = labels(found).get(COMPONENT_LABEL, "ollama")
    fix = f"raise spec.{component}.cache.size, if the StorageClass allows expansion, or remove models"
    yield warning(AREA, f"{text}: the next download may fail", fix)
