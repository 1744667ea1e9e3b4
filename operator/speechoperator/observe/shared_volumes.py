"""What other pipelines want on the volumes of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.names import CACHE_VOLUME, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
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
        pods: Its pods; only the PVCs with their models matter.
        present: The names of the models that they have.

    Returns:
        Canonical names by volume ("pvc:NAME"); None if that is unknown of another pipeline that uses it: its spec
        cannot be read, or its pods mount the PVC, and its spec names another.
    """
    own = {canonical(name) for model in spec.models for name in (model.name, model.base) if name}
    if own.issuperset(map(canonical, present)):
        return {}
    caches = {objects.claim(objects.volume(pod, CACHE_VOLUME)) for pod in pods} - {""}
    found: dict[str, frozenset[str] | None] = {}
    for other in store.pipelines(key.namespace):
        raw = store.pipeline(other) if caches and other != key else None
        if raw is None:
            continue
        named, wanted = _wants(raw, other.name)
        deployment = store.object(other, Ref("Deployment", object_name(other.name, "ollama"))) or {}
        mounted = objects.mounts((deployment.get("spec") or {}).get("template") or {})
        for pvc in caches.intersection({named, *mounted}):
            before = found.get(f"pvc:{pvc}", frozenset())
            found[f"pvc:{pvc}"] = None if before is None or wanted is None or pvc != named else before | wanted
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
