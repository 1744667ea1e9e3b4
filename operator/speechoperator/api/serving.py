"""A part whose pods hold a model: run by the operator, or a service that is there already."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.pod_template import COMMON, Part
from speechoperator.api.rules import Rule
from speechoperator.api.scaling import Scaling
from speechoperator.api.storage import Cache
from speechoperator.api.values import Count, ResourceName, Url

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
    """has(self.url) || self.?cache.?existingClaim.hasValue() || self.?cache.?ephemeral.orValue(false)
       || self.?cache.?accessMode.orValue('ReadWriteOnce') == 'ReadWriteMany'
       || self.?scaling.?maxReplicas.orValue(self.?scaling.?minReplicas.orValue(1)) <= 1""",
    lambda part: part.url is not None or not part.cache.single_writer or part.scaling.maximum <= 1,
    "several replicas cannot share a claim that only one node can mount: set cache.accessMode: ReadWriteMany, "
    "cache.existingClaim or cache.ephemeral: true, or let scaling.maxReplicas be 1",
)
_GPUS = "(has(self.gpu) ? self.gpu.resourceName : 'nvidia.com/gpu')"
_ONE_WAY_TO_GPUS = Rule(
    f"""!has(self.resources)
        || !(has(self.resources.requests) && {_GPUS} in self.resources.requests)
           && !(has(self.resources.limits) && {_GPUS} in self.resources.limits)""",
    lambda part: part.resources is None or not part.resources.names((part.gpu or Gpu()).resource_name),
    "GPUs are asked for by gpu, which also lets the part use them: remove them from resources",
)
_OURS = "!has({0}.url) && !{0}.?cache.?existingClaim.hasValue()"
"""CEL: the cache is the operator's to make."""
_CLAIM = f"{_OURS} && !{{0}}.?cache.?ephemeral.orValue(false)"
"""CEL: it is a claim."""
_ANEW = "cannot be changed: name a claim of your own as existingClaim, or delete pipeline and claim and apply it anew"


def _cache(which: str, name: str, default: str) -> str:
    """CEL: a member of the cache. Not by `orValue`, which forgets how long a text may be: too dear to compare."""
    return f"(has({which}.cache) && has({which}.cache.{name}) ? {which}.cache.{name} : {default})"


def _kept(while_it_is: str, name: str, default: str) -> Rule:
    """A rule that a member of the cache stays as it was."""
    before, now = (_cache(which, name, default) for which in ("oldSelf", "self"))
    same = f"!({while_it_is.format('oldSelf')} && {while_it_is.format('self')}) || {before} == {now}"
    return Rule(same, None, f"cache.{name} {_ANEW}")


def claim_rules(size: str) -> tuple[Rule, ...]:
    """Return the rules about changes of the cache, which only the API server can see.

    Args:
        size: The cache's size where none is given.
    """
    before, now = (f"quantity{_cache(which, 'size', repr(size))}" for which in ("oldSelf", "self"))
    return (
        _kept(_OURS, "ephemeral", "false"),
        _kept(_CLAIM, "storageClassName", "'(default)'"),
        _kept(_CLAIM, "accessMode", "'ReadWriteOnce'"),
        Rule(
            f"!({_CLAIM.format('oldSelf')} && {_CLAIM.format('self')}) || {now}.compareTo({before}) >= 0",
            None,
            "cache.size can grow, but a claim cannot shrink",
        ),
    )


class ServingPart(Part):
    """A part whose pods hold a model."""

    rules: ClassVar[tuple[Rule, ...]] = (_URL_ALONE, _ONE_WRITER, _ONE_WAY_TO_GPUS)

    url: Url | None = Field(
        None,
        description="Address of a service that is there already; the operator then runs no pods for this part and only "
        "checks that it answers. Absent: the operator runs the part.",
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
