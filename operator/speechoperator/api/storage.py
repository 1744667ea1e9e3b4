"""Where a part's pods keep their models: a claim that the operator makes, one that is there, or the node's disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.rules import Rule
from speechoperator.api.values import ClassName, Flag, ObjectName, Size

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

AccessMode = Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]


class Cache(Model):
    """A volume for models.

    The definition has no default for `size`, `accessMode` and `whenDeleted`: a default that the API server filled in
    could not be told from what the user wrote beside `existingClaim`.
    """

    rules = (
        Rule(
            """!has(self.existingClaim) || !(has(self.size) || has(self.storageClassName) || has(self.accessMode)
               || has(self.whenDeleted) || self.ephemeral)""",
            lambda cache: (
                not cache.has("existing_claim")
                or not (cache.has("size", "storage_class_name", "access_mode", "when_deleted") or cache.ephemeral)
            ),
            "existingClaim is used as it is: remove size, storageClassName, accessMode, whenDeleted and ephemeral",
        ),
        Rule(
            "!self.ephemeral || !(has(self.storageClassName) || has(self.accessMode) || has(self.whenDeleted))",
            lambda cache: not (cache.ephemeral and cache.has("storage_class_name", "access_mode", "when_deleted")),
            "an ephemeral cache is no claim: remove storageClassName, accessMode and whenDeleted",
        ),
    )

    size: Size = Field(
        "10Gi", description="Room for models, in bytes: what the claim asks for, or the limit of an ephemeral cache."
    )
    storage_class_name: ClassName | None = Field(
        None,
        description="StorageClass of the claim; empty for a volume without class. Absent: the cluster's default class. "
        "Cannot be changed.",
    )
    access_mode: AccessMode = Field(
        "ReadWriteOnce",
        description="Who may mount the claim. Several replicas need ReadWriteMany, which the StorageClass must offer. "
        "Cannot be changed.",
    )
    existing_claim: ObjectName | None = Field(
        None,
        description="Name of a claim of the same namespace to use instead of one that the operator makes; the operator "
        "never resizes or deletes it. Absent: the operator makes one.",
    )
    ephemeral: Flag = Field(
        default=False,
        description="Whether each pod keeps its models on its node's disk only: they are fetched again for a new pod. "
        "Cannot be changed.",
    )
    when_deleted: Literal["Delete", "Retain"] = Field(
        "Retain",
        description="What becomes of the claim, and the models in it, when the pipeline is deleted. Retain: it stays, "
        "and the next pipeline of this name uses it. Delete: it is deleted too, also one left by an earlier pipeline. "
        "No change of the spec deletes a claim: one that is no longer used is kept and reported in the status.",
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = super().__get_pydantic_json_schema__(schema, handler)
        for name in ("size", "accessMode", "whenDeleted"):
            member = described["properties"][name]
            member["x-assumed"] = member.pop("default")
        return described

    @property
    def claim(self) -> bool:
        """Whether the operator makes a claim for it."""
        return not self.ephemeral and self.existing_claim is None

    @property
    def single_writer(self) -> bool:
        """Whether only the pods of one node can mount it."""
        return self.claim and self.access_mode != "ReadWriteMany"


class OllamaCache(Cache):
    """A volume for language models."""

    size: Size = Field("50Gi", description=Cache.model_fields["size"].description)
