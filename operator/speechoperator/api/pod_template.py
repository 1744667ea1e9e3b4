"""What every part's pods can be told: the fields of Kubernetes that the operator hands through."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from speechoperator.api.base import Model
from speechoperator.api.rules import Keyed, Rule
from speechoperator.api.values import Amount, Anything, Image, LabelValue, LongText, ObjectName, VariableName
from speechoperator.kube import quantities

LabelKey = Annotated[str, Field(max_length=317)]
Amounts = Annotated[dict[str, Amount], Field(max_length=16)]

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
)
"""The fields that all parts have."""


class EnvVar(Model):
    """An environment variable of the part's container."""

    rules = (
        Rule(
            "!(has(self.value) && has(self.valueFrom))",
            lambda env: not (env.has("value") and env.has("value_from")),
            "give either value or valueFrom, not both",
        ),
    )

    name: VariableName = Field(description="Name of the variable. One that the operator sets too is replaced by it.")
    value: LongText | None = Field(None, description="The value. Without it and valueFrom the variable is empty.")
    value_from: Anything | None = Field(
        None,
        description="Where the value comes from: secretKeyRef, configMapKeyRef, fieldRef or resourceFieldRef. "
        "Absent: value.",
    )


class Toleration(Model):
    """A taint that the part's pods tolerate, as in a pod's spec."""

    key: LabelKey | None = Field(None, description="Key of the taint. Absent: every key, with operator Exists.")
    operator: Literal["Exists", "Equal"] | None = Field(
        None, description="Whether the taint's value must be equal, or any value will do. Absent: Equal."
    )
    value: LabelValue | None = Field(None, description="Value of the taint, for operator Equal. Absent: empty.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Effect of the taint. Absent: every effect."
    )
    toleration_seconds: Annotated[StrictInt, Field(json_schema_extra={"format": "int64"})] | None = Field(
        None, description="Seconds for which a NoExecute taint is tolerated. Absent: for ever."
    )


class Resources(Model):
    """What the part's container asks for and may use, as in a pod's spec."""

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
            "requests must not be more than limits",
        ),
    )

    requests: Amounts | None = Field(
        None, description="What a node must have free, by resource: cpu in cores, memory in bytes."
    )
    limits: Amounts | None = Field(
        None,
        description="What the container may use at most, by resource. GPUs are asked for by the field gpu instead.",
    )

    def names(self, resource: str) -> bool:
        """Tell whether a resource is asked for or limited."""
        return resource in (self.requests or {}) or resource in (self.limits or {})


class PullSecret(Model):
    """A Secret with the password of an image registry."""

    name: ObjectName = Field(description="Name of the Secret, of type kubernetes.io/dockerconfigjson.")


class Part(Model):
    """A part of the pipeline with pods of its own."""

    image: Image | None = Field(None, description="The part's image. Absent: the one of the operator's release.")
    resources: Resources | None = Field(
        None, description="What the part's container asks for and may use. Absent: the operator's defaults."
    )
    env: Annotated[tuple[EnvVar, ...], Field(max_length=128), Keyed()] = Field(
        (), description="Further environment variables of the part's container; they win over the operator's."
    )
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=64)] = Field(
        {}, description="Labels that a node must have to run the part's pods."
    )
    tolerations: tuple[Toleration, ...] = Field(
        (),
        max_length=64,
        description="Taints of nodes that the part's pods tolerate.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    affinity: Anything | None = Field(
        None,
        description="Where the part's pods prefer or must run: nodeAffinity, podAffinity, podAntiAffinity. "
        "Absent: none.",
    )
    runtime_class_name: ObjectName | None = Field(
        None, description="RuntimeClass of the part's pods, such as nvidia. Absent: the cluster's own."
    )
    priority_class_name: ObjectName | None = Field(
        None, description="PriorityClass of the part's pods. Absent: the cluster's own."
    )
    pod_annotations: Annotated[dict[str, LongText], Field(max_length=64)] = Field(
        {}, description="Further annotations of the part's pods."
    )
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=16), Keyed()] = Field(
        (), description="Secrets with the passwords of image registries."
    )
