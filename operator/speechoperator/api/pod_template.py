"""Fields of pods and containers that every component's spec has; the operator copies them into the pod template."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from speechoperator.api.base import Model
from speechoperator.api.overrides import PodTemplate
from speechoperator.api.rules import MapList, Rule
from speechoperator.api.values import (
    AnyObject,
    Duration,
    Image,
    LabelValue,
    LongText,
    ObjectName,
    Quantity,
    VariableName,
)
from speechoperator.kube import quantities

LabelKey = Annotated[str, Field(max_length=317)]
ResourceList = Annotated[dict[str, Quantity], Field(max_length=16)]

COMMON = (
    "image",
    "resources",
    "env",
    "node_selector",
    "tolerations",
    "affinity",
    "runtime_class_name",
    "priority_class_name",
    "pod_annotations",
    "image_pull_secrets",
    "pod_template",
    "service_account_annotations",
    "drain_timeout",
)
"""The fields that every component has."""


class EnvVar(Model):
    """An environment variable of the container."""

    rules = (
        Rule(
            "!(has(self.value) && has(self.valueFrom))",
            lambda env: not (env.has("value") and env.has("value_from")),
            "set either value or valueFrom, not both",
        ),
    )

    name: VariableName = Field(
        description="Name of the variable. It replaces a variable of the same name set by the operator."
    )
    value: LongText | None = Field(
        None, description="Value of the variable. If unset, valueFrom applies; without either, the variable is empty."
    )
    value_from: AnyObject | None = Field(
        None,
        description="Source of the value: secretKeyRef, configMapKeyRef, fieldRef or resourceFieldRef. If unset, value "
        "applies.",
    )


class Toleration(Model):
    """A toleration, as in a pod's spec."""

    key: LabelKey | None = Field(None, description="Key of the taint. If unset, all keys, with operator Exists.")
    operator: Literal["Exists", "Equal"] | None = Field(
        None, description="Exists matches every value, Equal only the given value. If unset, Equal."
    )
    value: LabelValue | None = Field(None, description="Value of the taint, for operator Equal. If unset, empty.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint. If unset, all effects."
    )
    toleration_seconds: Annotated[StrictInt, Field(json_schema_extra={"format": "int64"})] | None = Field(
        None, description="Seconds for which a NoExecute taint is tolerated. If unset, indefinitely."
    )


class Resources(Model):
    """Resource requests and limits of the container, as in a pod's spec."""

    rules = (
        Rule(
            """!has(self.requests) || !has(self.limits)
               || self.requests.all(name, !(name in self.limits) || !isQuantity(string(self.requests[name]))
                  || !isQuantity(string(self.limits[name]))
                  || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)""",
            lambda resources: all(
                quantities.value(amount) <= quantities.value((resources.limits or {}).get(name, amount))
                for name, amount in (resources.requests or {}).items()
            ),
            "requests must not exceed limits",
        ),
    )

    requests: ResourceList | None = Field(
        None, description="Resources reserved on the node, by name: cpu in cores, memory in bytes."
    )
    limits: ResourceList | None = Field(
        None, description="Maximum resources of the container, by name. Request GPUs with the field gpu instead."
    )

    def names(self, resource: str) -> bool:
        """Return whether a resource has a request or a limit."""
        return resource in (self.requests or {}) or resource in (self.limits or {})


class PullSecret(Model):
    """A Secret with the credentials of an image registry."""

    name: ObjectName = Field(description="Name of the Secret, of type kubernetes.io/dockerconfigjson.")


class ComponentSpec(Model):
    """A component of the pipeline, with pods of its own."""

    image: Image | None = Field(None, description="Container image. If unset, the image configured in the operator.")
    resources: Resources | None = Field(
        None, description="Resource requests and limits of the container. If unset, the operator's defaults."
    )
    env: Annotated[tuple[EnvVar, ...], Field(max_length=128), MapList()] = Field(
        (), description="Additional environment variables of the container; they override those of the operator."
    )
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=64)] = Field(
        {}, description="Labels that a node must have to run the pods."
    )
    tolerations: tuple[Toleration, ...] = Field(
        (),
        max_length=64,
        description="Tolerations of the pods.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    affinity: AnyObject | None = Field(
        None,
        description="Affinity of the pods: nodeAffinity, podAffinity, podAntiAffinity. If unset, none.",
    )
    runtime_class_name: ObjectName | None = Field(
        None, description="RuntimeClass of the pods, such as nvidia. If unset, the default runtime of the cluster."
    )
    priority_class_name: ObjectName | None = Field(
        None, description="PriorityClass of the pods. If unset, the default priority of the cluster."
    )
    pod_annotations: Annotated[dict[str, LongText], Field(max_length=64)] = Field(
        {}, description="Additional annotations of the pods."
    )
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16), MapList()] = Field(
        (), description="Secrets with the credentials of image registries."
    )
    pod_template: PodTemplate = Field(
        PodTemplate(),
        description="Anything else that a pod can have, merged over the pod template of the operator; it overrides "
        "the fields above. If unset, nothing is changed.",
    )
    service_account_annotations: Annotated[dict[str, LongText], Field(max_length=64)] = Field(
        {}, description="Annotations of the pods' ServiceAccount, such as the cloud identity of the pods."
    )
    drain_timeout: Duration | None = Field(
        None,
        description="Maximum time for work in progress when a pod is deleted; a pod without work ends at once. If "
        "unset, the longest audio (4h) for Whisper, the same and requestTimeout for the bridge, 5m for Ollama.",
    )
