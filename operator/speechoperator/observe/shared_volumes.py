"""What other pipelines want on the volumes of a pipeline, and how they define it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from speechoperator.api import LanguageModel, labels
from speechoperator.api.names import CACHE_VOLUME, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.models.definitions import source_marker
from speechoperator.plan.models.names import canonical
from speechoperator.plan.models.ollama_pods import volume_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from speechoperator.api import Ollama
    from speechoperator.kube.objects import Key, Object
    from speechoperator.watch.store import Store


def wanted_by_others(
    store: Store, key: Key, spec: Ollama, pods: Sequence[Object], present: Iterable[str]
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
    if _is_complete(spec, present):
        return {}
    caches = _caches(pods)
    found: dict[str, frozenset[str] | None] = {}
    for other, raw in _others(store, key, caches, namespace=key.namespace):
        named, wanted = _wants(raw, other.name)
        deployment = store.object(other, Ref("Deployment", object_name(other.name, "ollama"))) or {}
        mounted = objects.mounts((deployment.get("spec") or {}).get("template") or {})
        for pvc in caches.intersection({named, *mounted}):
            before = found.get(f"pvc:{pvc}", frozenset())
            found[f"pvc:{pvc}"] = None if before is None or wanted is None or pvc != named else before | wanted
    return found


def defined_by_others(
    store: Store, key: Key, spec: Ollama, pods: Sequence[Object], present: Iterable[str]
) -> Mapping[str, tuple[tuple[str, LanguageModel], ...]]:
    """Return the models of a pipeline that others define too where its pods have theirs.

    These are others of the namespace on the same PVC, and those of all namespaces with the same folder of the nodes.
    For arguments, and when nothing is looked up, see `wanted_by_others`.

    Returns:
        By volume ("pvc:NAME", "node:NODE/PATH") the models as the other specs have them, each with who that is:
        "pipeline other", "a pipeline of another namespace".
    """
    if _is_complete(spec, present):
        return {}
    own, caches, folders = {canonical(model.name) for model in spec.models}, _caches(pods), _node_folders(pods)
    found: dict[str, tuple[tuple[str, LanguageModel], ...]] = {}
    for other, raw in _others(store, key, caches or folders, namespace="" if folders else key.namespace):
        near = other.namespace == key.namespace
        named, wanted = _wants(raw, other.name)
        if not wanted or own.isdisjoint(wanted):
            continue
        volumes = {f"pvc:{named}"} if near and named in caches else folders.get(_node_path(raw), set())
        who = f"pipeline {other.name}" if near else "a pipeline of another namespace"
        theirs = [_parsed(model) for model in raw["spec"]["ollama"]["models"]] if volumes else []
        shared = tuple((who, model) for model in theirs if model and canonical(model.name) in own)
        found |= {volume: found.get(volume, ()) + shared for volume in volumes}
    return found


def _is_complete(spec: Ollama, present: Iterable[str]) -> bool:
    """Return whether there is nothing but what a spec names, and what tells that it was pulled from there."""
    own = {canonical(name) for model in spec.models for name in (model.name, model.base) if name}
    own |= {source_marker(model.name, model.pulled_as) for model in spec.models if model.base is None}
    return own.issuperset(map(canonical, present))


def _caches(pods: Iterable[Object]) -> set[str]:
    return {objects.claim(objects.volume(pod, CACHE_VOLUME)) for pod in pods} - {""}


def _node_folders(pods: Iterable[Object]) -> Mapping[str, set[str]]:
    """Return the volumes of Ollama pods that are folders of nodes, by path."""
    found: dict[str, set[str]] = {}
    for pod in pods:
        folder = objects.volume(pod, CACHE_VOLUME).get("hostPath")
        if folder and labels.component_of(pod) == "ollama":
            found.setdefault(folder["path"], set()).add(volume_of(pod))
    return found


def _node_path(raw: Object) -> str:
    """Return the folder on each node in which a pipeline has its language models; empty if there is none."""
    return str((raw["spec"]["ollama"].get("cache") or {}).get("nodePath") or "")


def _others(store: Store, key: Key, shared: Collection[str], *, namespace: str) -> Iterable[tuple[Key, Object]]:
    """Yield the other pipelines of a namespace, "" for all; none if there is nothing to share."""
    for other in store.pipelines(namespace) if shared else ():
        raw = store.pipeline(other) if other != key else None
        if raw is not None:
            yield other, raw


def _parsed(model: Object) -> LanguageModel | None:
    try:
        return LanguageModel.model_validate(model)
    except ValidationError:
        return None


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
