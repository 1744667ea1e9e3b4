"""Where the pods of a component have their models.

On a PVC created by the operator, an existing one, an emptyDir, a folder of the node, or in an OCI image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from speechoperator.api.base import Model
from speechoperator.api.rules import Rule
from speechoperator.api.values import ClassName, Flag, Image, NodePath, ObjectName, Size

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

AccessMode = Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]


class Cache(Model):
    """A volume for models.

    The CRD has no default for `size`, `accessMode` and `whenDeleted`: a default filled in by the API server could not
    be told apart from a value that the user set beside `existingClaim`.
    """

    rules: ClassVar[tuple[Rule, ...]] = (
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
            "an ephemeral cache has no PVC: remove storageClassName, accessMode and whenDeleted",
        ),
        Rule(
            "[has(self.existingClaim), self.ephemeral, has(self.nodePath), has(self.image)].filter(x, x).size() <= 1",
            lambda cache: (
                cache.ephemeral + cache.has("existing_claim") + cache.has("node_path") + cache.has("image") <= 1
            ),
            "a cache is of one kind: set only one of existingClaim, ephemeral, nodePath and image",
        ),
        Rule(
            """!(has(self.nodePath) || has(self.image)) || !(has(self.size) || has(self.storageClassName)
               || has(self.accessMode) || has(self.whenDeleted))""",
            lambda cache: (
                not cache.has("node_path", "image")
                or not cache.has("size", "storage_class_name", "access_mode", "when_deleted")
            ),
            "nodePath and image have no PVC: remove size, storageClassName, accessMode and whenDeleted",
        ),
    )

    size: Size = Field(
        "10Gi",
        description="Capacity for models: the storage request of the PVC, or the limit of an ephemeral cache. A PVC "
        "grows with it if its StorageClass can expand volumes, and stays as it is with a smaller size.",
    )
    storage_class_name: ClassName | None = Field(
        None,
        description="StorageClass of the PVC; empty for a volume without a class. If unset, the default StorageClass. "
        "Immutable.",
    )
    access_mode: AccessMode = Field(
        "ReadWriteOnce",
        description="Access mode of the PVC. Several replicas need ReadWriteMany, which the StorageClass must support. "
        "Immutable.",
    )
    existing_claim: ObjectName | None = Field(
        None,
        description="Name of an existing PVC in the same namespace to use. The operator never resizes or deletes it. "
        "If unset, the operator creates a PVC.",
    )
    ephemeral: Flag = Field(
        default=False,
        description="Store the models in an emptyDir on the node instead of a PVC; every new pod downloads them "
        "again. Immutable.",
    )
    node_path: NodePath | None = Field(
        None,
        description="Folder on each node for the models, which all pods on the node share and which outlives them. It "
        "is created if it does not exist. Pod Security must allow hostPath volumes and, to fill the folder, an init "
        "container that runs as root: the level privileged. If whisper.image is set, it must have the command "
        "python -m speechwhisper fetch, which fills the folder. If unset, none.",
    )
    image: Image | None = Field(
        None,
        description="OCI image that contains the models, mounted read-only: nothing is downloaded. Requires image "
        "volumes: Kubernetes 1.33 or later with the feature gate ImageVolume, and a container runtime with them. If "
        "unset, none.",
    )
    when_deleted: Literal["Delete", "Retain"] = Field(
        "Retain",
        description="What happens to the PVC and the models on it when the pipeline is deleted. Retain: it is kept, "
        "and the next pipeline of this name uses it. Delete: it is deleted, even if an earlier pipeline has left it. "
        "A change of the spec never deletes a PVC: one that is no longer used is kept and reported in the status.",
    )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = super().__get_pydantic_json_schema__(schema, handler)
        for name in ("size", "accessMode", "whenDeleted"):
            member = described["properties"][name]
            member["x-documented-default"] = member.pop("default")
        return described

    @property
    def creates_pvc(self) -> bool:
        """Whether the operator creates a PVC for the cache."""
        return not (self.ephemeral or self.existing_claim or self.node_path or self.image)

    @property
    def single_node(self) -> bool:
        """Whether only pods on one node can mount the cache."""
        return self.creates_pvc and self.access_mode != "ReadWriteMany"


class WhisperCache(Cache):
    """A volume for weights of Whisper."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Cache.rules,
        Rule(
            "!has(self.unusedModels) || self.unusedModels == 'Keep'"
            " || !(has(self.existingClaim) || has(self.nodePath) || has(self.image))",
            lambda cache: cache.unused_models != "Remove" or not cache.has("existing_claim", "node_path", "image"),
            "weights are removed only from a volume that the pipeline has for itself: set unusedModels to Keep",
        ),
    )

    unused_models: Literal["Keep", "Remove"] = Field(
        "Keep",
        description="What happens to weights of other models that the operator has downloaded to the PVC. Remove: a "
        "pod that starts deletes them once it has its own, or before that if the PVC is too full. A PVC that "
        "whisper.podTemplate puts in its place keeps them.",
    )


class OllamaCache(Cache):
    """A volume for language models."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *Cache.rules,
        Rule(
            "!has(self.unusedModels) || self.unusedModels == 'Keep' || !(has(self.nodePath) || has(self.image))",
            lambda cache: cache.unused_models != "Remove" or not cache.has("node_path", "image"),
            "no unused model is removed from a nodePath, which other pipelines use too, or an image: "
            "set unusedModels to Keep",
        ),
    )

    size: Size = Field("50Gi", description=Cache.model_fields["size"].description)
    unused_models: Literal["Keep", "Remove"] = Field(
        "Keep",
        description="What happens to models on the volume that no pipeline wants, also to those that were pulled by "
        "hand; status.unusedModels lists them. Remove: they are deleted 24 h after they were last wanted, but only "
        "from the PVC that the operator created, existingClaim, or an emptyDir: nothing is removed from a volume that "
        "ollama.podTemplate puts in its place, except weights that the operator itself has replaced.",
    )

    @property
    def removes_unused(self) -> bool:
        """Whether models that no pipeline wants are removed."""
        return self.unused_models == "Remove"
