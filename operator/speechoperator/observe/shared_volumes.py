"""What other pipelines want on the volumes of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import object_name
from speechoperator.kube import objects
from speechoperator.plan.models.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.api import Ollama
    from speechoperator.kube.objects import Key, Object
    from speechoperator.watch.store import Store


def wanted_by_others(
    store: Store, key: Key, spec: Ollama, pods: Iterable[Object], present: Iterable[str]
) -> Mapping[str, frozenset[str] | None]:
    """Return the models that other pipelines of the namespace want, of any class, valid or not.

    Nothing is looked up while the pods have nothing but what the spec names: with many pipelines that takes time.

    Args:
        store: Contains all pipelines.
        key: The pipeline.
        spec: Its spec.
        pods: Its pods; only the PVCs that they mount matter.
        present: The names of the models that they have.

    Returns:
        Canonical names by volume ("pvc:NAME"); None if the spec of another pipeline that uses it cannot be read.
    """
    own = {canonical(name) for model in spec.models for name in (model.name, model.base) if name}
    if own.issuperset(map(canonical, present)):
        return {}
    mounted = {pvc for pod in pods for pvc in objects.mounts(pod)}
    found: dict[str, frozenset[str] | None] = {}
    for other in store.pipelines():
        raw = store.pipeline(other) if other.namespace == key.namespace and other != key else None
        if raw is None:
            continue
        pvc, wanted = _wants(raw, other.name)
        if pvc not in mounted:
            continue
        before = found.get(f"pvc:{pvc}", frozenset())
        found[f"pvc:{pvc}"] = None if before is None or wanted is None else before | wanted
    return found


def _wants(raw: Object, name: str) -> tuple[str, frozenset[str] | None]:
    """Return the PVC that a pipeline uses for Ollama, and the models that it wants there; None if unreadable."""
    own = object_name(name, "ollama")
    try:
        ollama = raw["spec"]["ollama"]
        pvc = str((ollama.get("cache") or {}).get("existingClaim") or own)
    except (AttributeError, KeyError, TypeError):
        return own, None
    try:
        models = [one[field] for one in ollama["models"] for field in ("name", "from") if field in one]
        return pvc, frozenset(canonical(str(model)) for model in models)
    except (KeyError, TypeError):
        return pvc, None
