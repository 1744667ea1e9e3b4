"""Where models come from, as names on their volume tell, and how an outdated model is recognized.

Ollama keeps no annotations. So each model has a second name, its marker, with a hash of what it was made from:

- `speechpipeline/HASH` for a derived model: its definition, and the base that it was created from;
- `speechpipeline/source-NAME-SOURCE` for one that was pulled: the name to pull it by.

`/api/tags` lists both names with one digest; a marker with a digest of its own marks nothing. A derived model without
its marker is created again. A pulled one without any is taken as it is: it is older than the markers, or was put there
by hand.

`speechpipeline/old-HASH` is a model that is being replaced: deleting that name afterwards frees its weights.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from speechoperator.plan.models.names import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.api import LanguageModel

MARKER_NAMESPACE = "speechpipeline/"
"""Begins the names that the operator gives to models for itself."""
_SOURCE = f"{MARKER_NAMESPACE}source-"
_OLD = f"{MARKER_NAMESPACE}old-"


def definition(model: LanguageModel) -> dict[str, Any]:
    """Return the members of the request that creates a model from its base; empty if it is not derived.

    https://github.com/ollama/ollama/blob/main/docs/api.md#create-a-model
    """
    if model.base is None:
        return {}
    members = {"system": model.system, "template": model.template, "parameters": model.parameters}
    return {"from": model.base, **{name: value for name, value in members.items() if value is not None}}


def revision(models: Iterable[LanguageModel]) -> str:
    """Return what identifies the definitions of models."""
    defined = [[canonical(model.name), definition(model)] for model in models if model.base is not None]
    return sha256(json.dumps(defined, sort_keys=True).encode()).hexdigest()[:16]


def marker(name: str, defined: Mapping[str, Any], base_digest: str) -> str:
    """Return the canonical name of the marker of a derived model.

    Args:
        name: The name of the model.
        defined: Its definition.
        base_digest: The digest of its base.
    """
    return f"{MARKER_NAMESPACE}{_hash(canonical(name), defined, base_digest)}:latest"


def source_marker(name: str, source: str) -> str:
    """Return the canonical name of the marker of a model that was pulled.

    Args:
        name: The name of the model.
        source: The name that it was pulled by.
    """
    return f"{_source_markers(name)}{_hash(canonical(source))}:latest"


def replaced(name: str, digest: str) -> str:
    """Return the canonical name by which a model is kept while it is replaced."""
    return f"{_OLD}{_hash(canonical(name), digest)}:latest"


def is_internal(name: str) -> bool:
    """Return whether a canonical name is one that the operator gave to a model for itself."""
    return name.startswith(MARKER_NAMESPACE)


def marks_derived(name: str) -> bool:
    """Return whether a canonical name is the marker of a derived model."""
    return is_internal(name) and not name.startswith((_SOURCE, _OLD))


def is_current(model: LanguageModel, digests: Mapping[str, str]) -> bool:
    """Return whether a model that is there is the one in the spec, as far as its markers tell.

    Args:
        model: The model.
        digests: The digests of the models that a pod has, by canonical name.
    """
    return _is_made(model, digests) or (model.base is None and not _origins(model, digests))


def is_unmarked(model: LanguageModel, digests: Mapping[str, str]) -> bool:
    """Return whether nothing tells where a model that is there, and is not derived, was pulled from."""
    return model.base is None and canonical(model.name) in digests and not _origins(model, digests)


def has_source_marker(name: str, digests: Mapping[str, str]) -> bool:
    """Return whether a marker tells where the model of this name was pulled from."""
    digest, prefix = digests.get(canonical(name)), _source_markers(name)
    return any(its == digest and one.startswith(prefix) for one, its in digests.items())


def defined_otherwise(
    model: LanguageModel, others: Iterable[tuple[str, LanguageModel]]
) -> tuple[tuple[str, LanguageModel], ...]:
    """Return the models of other pipelines that have this name, but another definition or source.

    Args:
        model: The model.
        others: The models in the specs of other pipelines with the same volume, each with who they are.
    """
    own = (definition(model), canonical(model.pulled_as))
    return tuple(
        (pipeline, other)
        for pipeline, other in others
        if canonical(other.name) == canonical(model.name) and (definition(other), canonical(other.pulled_as)) != own
    )


def made_by_others(
    model: LanguageModel, digests: Mapping[str, str], others: Iterable[tuple[str, LanguageModel]]
) -> str:
    """Return who has made the model of this name by another spec; empty if nobody has.

    Args:
        model: The model.
        digests: The digests of the models that a pod has, by canonical name.
        others: The models in the specs of other pipelines with the same volume, each with who they are.
    """
    if _is_made(model, digests):
        return ""
    return next((who for who, other in defined_otherwise(model, others) if _is_made(other, digests)), "")


def leftovers(digests: Mapping[str, str]) -> frozenset[str]:
    """Return the names that serve nothing any more, for any pipeline, and only keep weights on the volume.

    These are replaced models, and markers of a model that is not there any more.
    """
    models = {name: digest for name, digest in digests.items() if not is_internal(name)}
    marked = {(_source_markers(name), digest) for name, digest in models.items()}
    known = set(models.values())
    return frozenset(
        name
        for name, digest in digests.items()
        if name.startswith(_OLD)
        or (marks_derived(name) and digest not in known)
        or (name.startswith(_SOURCE) and (f"{name.rpartition('-')[0]}-", digest) not in marked)
    )


def _is_made(model: LanguageModel, digests: Mapping[str, str]) -> bool:
    """Return whether a model bears its marker: of its definition and its present base, or of its source."""
    if model.base is None:
        name = source_marker(model.name, model.pulled_as)
    elif (base := digests.get(canonical(model.base))) is not None:
        name = marker(model.name, definition(model), base)
    else:
        return False
    return name in digests and digests[name] == digests.get(canonical(model.name))


def _origins(model: LanguageModel, digests: Mapping[str, str]) -> tuple[str, ...]:
    """Return the markers that tell where a model that is not derived was pulled from, or that it was derived.

    Without a source in the spec, it may be a derived model that was copied by hand.
    """
    digest, prefix = digests.get(canonical(model.name)), _source_markers(model.name)
    return tuple(
        one
        for one, its in digests.items()
        if its == digest and (one.startswith(prefix) or (model.source is not None and marks_derived(one)))
    )


def _source_markers(name: str) -> str:
    return f"{_SOURCE}{_hash(canonical(name))}-"


def _hash(*parts: Any) -> str:
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
