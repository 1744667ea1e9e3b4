"""The spec of a component whose pods serve a model: run by the operator, or an external service."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.external import Auth, CertificateAuthorities
from speechoperator.api.pod_template import COMMON, ComponentSpec
from speechoperator.api.rules import Rule
from speechoperator.api.scaling import Scaling
from speechoperator.api.storage import Cache
from speechoperator.api.values import Count, ResourceName, Url

_POD_FIELDS = {"gpu": "gpu", "cache": "cache", "scaling": "scaling"} | {
    name: ComponentSpec.model_fields[name].alias or name for name in COMMON
}
"""The fields about pods, invalid beside `url`, with their names on the wire."""


class Gpu(Model):
    """The GPUs of each pod."""

    count: Count = Field(1, description="Number of GPUs per pod; 0 runs on the CPU.")
    resource_name: ResourceName = Field(
        "nvidia.com/gpu",
        description="Extended resource name of the GPU, such as nvidia.com/mig-1g.10gb for a slice of one. For GPUs of "
        "other vendors than NVIDIA, set image.",
    )


def _remove(spec: Any) -> str:
    given = ", ".join(wire for name, wire in _POD_FIELDS.items() if spec.has(name))
    return f"url refers to an external service: remove {given}"


_URL_ALONE = Rule(
    f"!has(self.url) || !({' || '.join(f'has(self.{wire})' for wire in _POD_FIELDS.values())})",
    lambda spec: spec.url is None or not spec.has(*_POD_FIELDS),
    _remove,
    "('url refers to an external service: remove'"
    + "".join(f" + (has(self.{wire}) ? ', {wire}' : '')" for wire in _POD_FIELDS.values())
    + ").replace('remove,', 'remove')",  # the CEL cost of join() on a list of strings cannot be estimated
)
_NEEDS_URL = Rule(
    "has(self.url) || !(has(self.auth) || has(self.ca))",
    lambda spec: spec.url is not None or not spec.has("auth", "ca"),
    "auth and ca are about an external service: set url, or remove them",
)
_SINGLE_NODE_PVC = Rule(
    """has(self.url) || !has(self.cache) || has(self.cache.existingClaim) || has(self.cache.nodePath)
       || has(self.cache.image) || self.?cache.?ephemeral.orValue(false)
       || self.?cache.?accessMode.orValue('ReadWriteOnce') == 'ReadWriteMany'
       || self.?scaling.?maxReplicas.orValue(self.?scaling.?minReplicas.orValue(1)) <= 1""",
    lambda spec: spec.url is not None or not spec.storage.single_node or spec.scaling.maximum <= 1,
    "several replicas cannot share a PVC that only one node can mount: set cache.accessMode: ReadWriteMany, "
    "cache.existingClaim, cache.nodePath, cache.image or cache.ephemeral: true, or limit scaling.maxReplicas to 1",
)
_CA_WITH_TLS = Rule(
    "!has(self.ca) || !has(self.url) || self.url.startsWith('https://')",
    lambda spec: not spec.has("ca") or spec.url is None or spec.url.startswith("https://"),
    "ca is about the certificate of the service: url must begin with https://",
)
_GPU_RESOURCE = "(has(self.gpu) ? self.gpu.resourceName : 'nvidia.com/gpu')"
_GPUS_BY_FIELD = Rule(
    f"""!has(self.resources)
        || !(has(self.resources.requests) && {_GPU_RESOURCE} in self.resources.requests)
           && !(has(self.resources.limits) && {_GPU_RESOURCE} in self.resources.limits)""",
    lambda spec: spec.resources is None or not spec.resources.names((spec.gpu or Gpu()).resource_name),
    "request GPUs with the field gpu, which also configures the server for them: remove them from resources",
)
_VENDOR = Rule(
    "!has(self.gpu) || self.gpu.count == 0 || self.gpu.resourceName.startsWith('nvidia.com/') || has(self.image)",
    lambda spec: not spec.gpus or spec.gpu.resource_name.startswith("nvidia.com/") or spec.image is not None,
    "the default images support only GPUs of nvidia.com: set image to one that supports this GPU",
)
_OWN_CACHE = (
    "!has({0}.url) && !{0}.?cache.?existingClaim.hasValue()"
    " && !{0}.?cache.?nodePath.hasValue() && !{0}.?cache.?image.hasValue()"
)
"""CEL: the operator provides the cache."""
_OWN_PVC = f"{_OWN_CACHE} && !{{0}}.?cache.?ephemeral.orValue(false)"
"""CEL: the cache is a PVC created by the operator."""
_IMMUTABLE = "is immutable: set existingClaim to a PVC of your own, or delete both pipeline and PVC and recreate them"


def _cache(which: str, name: str, default: str) -> str:
    """CEL: a member of the cache. `orValue` loses the maximum length of a string, so comparing would cost too much."""
    return f"(has({which}.cache) && has({which}.cache.{name}) ? {which}.cache.{name} : {default})"


def _immutable(while_it_is: str, name: str, default: str) -> Rule:
    """Return the rule that a member of the cache must not change."""
    before, now = (_cache(which, name, default) for which in ("oldSelf", "self"))
    same = f"!({while_it_is.format('oldSelf')} && {while_it_is.format('self')}) || {before} == {now}"
    return Rule(same, None, f"cache.{name} {_IMMUTABLE}")


# Not `size`, although a PVC cannot shrink: a size that the cluster refuses must be possible to take back.
PVC_RULES = (
    _immutable(_OWN_CACHE, "ephemeral", "false"),
    _immutable(_OWN_PVC, "storageClassName", "'(default)'"),
    _immutable(_OWN_PVC, "accessMode", "'ReadWriteOnce'"),
)
"""Rules about changes of the cache, which only the API server can check."""


class ServingSpec(ComponentSpec):
    """A component whose pods serve a model."""

    rules: ClassVar[tuple[Rule, ...]] = (
        _URL_ALONE,
        _NEEDS_URL,
        _CA_WITH_TLS,
        _SINGLE_NODE_PVC,
        _GPUS_BY_FIELD,
        _VENDOR,
    )

    url: Url | None = Field(
        None,
        description="URL of an external service to use. The operator then runs no pods for this component and only "
        "checks that the service responds. If unset, the operator runs the component.",
    )
    auth: Auth | None = Field(
        None, description="API key for the external service at url. If unset, the bridge sends none."
    )
    ca: CertificateAuthorities | None = Field(
        None,
        description="Certificate authorities of the external service at url. If unset, those of the system.",
    )
    gpu: Gpu | None = Field(None, description="GPUs of each pod. If unset, the component runs on the CPU.")
    cache: Cache = Cache()
    scaling: Scaling = Scaling()

    @property
    def managed(self) -> bool:
        """Whether the operator runs the pods of this component."""
        return self.url is None

    @property
    def storage(self) -> Cache:
        """The cache, with the default for the number of replicas: several cannot share the default PVC."""
        if self.has("cache") or self.scaling.maximum <= 1:
            return self.cache
        return type(self.cache)(ephemeral=True)

    @property
    def gpus(self) -> int:
        """GPUs per pod; 0 runs on the CPU."""
        return self.gpu.count if self.gpu else 0
