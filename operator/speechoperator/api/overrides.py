"""What users add to the objects that the operator creates: labels, annotations, and anything a pod can have."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from speechoperator.api.base import Model
from speechoperator.api.names import COMPONENTS
from speechoperator.api.rules import Rule
from speechoperator.api.values import AnyObject, LabelValue, LongText
from speechoperator.kube.merge import DIRECTIVE, shape_errors

RESERVED_PREFIX = "speechpipeline.dev/"
RESERVED_LABELS = ("name", "instance", "component", "managed-by")
"""Labels below app.kubernetes.io/ that the operator selects by."""

_LABELS = [f"app.kubernetes.io/{name}" for name in RESERVED_LABELS]


def _reserved(key: str) -> bool:
    return key.startswith(RESERVED_PREFIX) or key in _LABELS


class ExtraMetadata(Model):
    """Labels and annotations that are added to the operator's own."""

    rules = (
        Rule(
            f"""(!has(self.labels) || self.labels.all(key, !key.startsWith('{RESERVED_PREFIX}') && !(key in {_LABELS})))
                && (!has(self.annotations) || self.annotations.all(key, !key.startsWith('{RESERVED_PREFIX}')))""",
            lambda extra: (
                not any(map(_reserved, extra.labels))
                and not any(key.startswith(RESERVED_PREFIX) for key in extra.annotations)
            ),
            "names below speechpipeline.dev/ and the labels app.kubernetes.io/name, instance, component and managed-by "
            "belong to the operator: remove them",
        ),
    )

    labels: Annotated[dict[str, LabelValue], Field(max_length=64)] = Field({}, description="Labels to add.")
    annotations: Annotated[dict[str, LongText], Field(max_length=64)] = Field({}, description="Annotations to add.")


def _mergeable(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a pod's spec that can be merged.

    Raises:
        ValueError: it cannot be merged, or would delete the component's own container.
    """
    for error in shape_errors(spec, "", "spec"):
        raise ValueError(error)
    if DIRECTIVE in spec:
        raise ValueError(f"{DIRECTIVE}: only fields of the pod can be deleted or replaced, not all of it")
    containers = spec.get("containers", [])
    if not isinstance(containers, list):  # null, or `$patch: delete`
        raise ValueError("containers: must be a list")  # noqa: TRY004 - pydantic reports ValueErrors
    for index, container in enumerate(containers):
        if container["name"] in COMPONENTS and container.get(DIRECTIVE) == "delete":
            raise ValueError(f"containers[{index}]: the container {container['name']} cannot be deleted")
    return spec


class PodTemplate(Model):
    """Anything that a pod template can have, merged over the one of the operator."""

    metadata: ExtraMetadata = Field(
        ExtraMetadata(), description="Labels and annotations of the pods. If unset, none are added."
    )
    spec: Annotated[AnyObject, AfterValidator(_mergeable)] = Field(
        {},
        description="Spec of the pods, as in a Deployment. Objects are merged field by field, lists by the merge keys "
        "of server-side apply: containers, volumes and env by name, volumeMounts by mountPath. The component's own "
        "container has the name of the component. A null or `$patch: delete` removes what the operator sets, "
        "`$patch: replace` replaces a whole object. If unset, nothing is changed.",
    )
