"""A part whose pods hold a model: run by the operator, or a service that is there already."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from .base import Model
from .pods import COMMON, Part
from .rules import Rule
from .scaling import Scaling
from .storage import Cache
from .values import Count, ResourceName, Url

_RUN_HERE = {"gpu": "gpu", "cache": "cache", "scaling": "scaling"} | {
    name: Part.model_fields[name].alias or name for name in COMMON
}
"""The fields that make no sense beside `url`, with their names on the wire."""


class Gpu(Model):
    """The GPUs of each pod."""

    count: Count = Field(1, description="GPUs per pod; 0 runs on the CPU.")
    resource_name: ResourceName = Field("nvidia.com/gpu", description="Name by which the nodes offer GPUs.")


def _remove(part: Any) -> str:
    named = ", ".join(wire for name, wire in _RUN_HERE.items() if part.has(name))
    return f"url uses a service that runs elsewhere: remove {named}"


_URL_ALONE = Rule(
    f"!has(self.url) || !({' || '.join(f'has(self.{wire})' for wire in _RUN_HERE.values())})",
    lambda part: part.url is None or not part.has(*_RUN_HERE),
    _remove,
    "('url uses a service that runs elsewhere: remove'"
    + "".join(f" + (has(self.{wire}) ? ', {wire}' : '')" for wire in _RUN_HERE.values())
    + ").replace('remove,', 'remove')",  # of a list of texts, CEL could not tell beforehand what join() costs
)
_ONE_WRITER = Rule(
    """has(self.url)
       || has(self.cache) && (has(self.cache.existingClaim) || self.cache.ephemeral
          || has(self.cache.accessMode) && self.cache.accessMode == 'ReadWriteMany')
       || !has(self.scaling)
       || (has(self.scaling.maxReplicas) ? self.scaling.maxReplicas : self.scaling.minReplicas) <= 1""",
    lambda part: part.url is not None or not part.cache.single_writer or part.scaling.maximum <= 1,
    "several replicas cannot share a claim that only one node can mount: set cache.accessMode: ReadWriteMany, "
    "cache.existingClaim or cache.ephemeral: true, or let scaling.maxReplicas be 1",
)
_WHERE_IT_STAYS = (
    "!has(oldSelf.url) && !has(self.url)"
    " && !(has(oldSelf.cache) && has(oldSelf.cache.existingClaim))"
    " && !(has(self.cache) && has(self.cache.existingClaim))"
)
"""CEL: the operator has made the cache before, and is to make it now."""


def _cache(which: str, name: str, default: str) -> str:
    return f"(has({which}.cache) && has({which}.cache.{name}) ? {which}.cache.{name} : {default})"


def _unchanged(name: str, default: str) -> str:
    return f"{_cache('self', name, default)} == {_cache('oldSelf', name, default)}"


def _claim_keeps(condition: str, message: str) -> Rule:
    """A rule about a change to a claim that the operator has made."""
    claims = f"!{_cache('self', 'ephemeral', 'false')} && !{_cache('oldSelf', 'ephemeral', 'false')}"
    return Rule(f"!({_WHERE_IT_STAYS} && {claims}) || {condition}", None, message)


def claim_rules(size: str) -> tuple[Rule, ...]:
    """Return the rules about changes of the cache, which only the API server can see.

    Args:
        size: The cache's size where none is given.
    """
    sizes = [f"quantity({_cache(which, 'size', repr(size))})" for which in ("self", "oldSelf")]
    anew = "delete the pipeline and apply it anew, or name a claim of your own as existingClaim"
    return (
        Rule(
            f"!({_WHERE_IT_STAYS}) || {_unchanged('ephemeral', 'false')}",
            None,
            f"cache.ephemeral cannot be changed: {anew}",
        ),
        _claim_keeps(
            _unchanged("storageClassName", "'(default)'"), f"cache.storageClassName cannot be changed: {anew}"
        ),
        _claim_keeps(_unchanged("accessMode", "'ReadWriteOnce'"), f"cache.accessMode cannot be changed: {anew}"),
        _claim_keeps(f"{sizes[0]}.compareTo({sizes[1]}) >= 0", "cache.size can grow, but a claim cannot shrink"),
    )


class ServingPart(Part):
    """A part whose pods hold a model."""

    rules: ClassVar[tuple[Rule, ...]] = (_URL_ALONE, _ONE_WRITER)

    url: Url | None = Field(
        None,
        description="Address of a service that is there already; the operator then runs no pods for this part and only "
        "checks that it answers.",
    )
    gpu: Gpu | None = Field(None, description="GPUs of each pod. Absent: it runs on the CPU.")
    cache: Cache = Cache()
    scaling: Scaling = Scaling()

    @property
    def managed(self) -> bool:
        """Whether the operator runs this part's pods."""
        return self.url is None

    @property
    def gpus(self) -> int:
        """GPUs per pod; 0 means that it runs on the CPU."""
        return self.gpu.count if self.gpu else 0
