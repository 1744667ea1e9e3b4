"""The one container of a part's pods: its environment, its resources, and as few rights as there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.names import PORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import ComponentSpec, Gpu
    from speechoperator.api.names import Component
    from speechoperator.plan.manifests.probes import Probes

Amounts = dict[str, dict[str, str]]
"""`requests` and `limits`, by resource."""

_TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the pod's own


def container(
    component: Component,
    part: ComponentSpec,
    *,
    image: str,
    env: Mapping[str, str],
    resources: Amounts,
    probes: Probes,
    pre_stop: dict[str, Any],
    mounts: tuple[dict[str, Any], ...] = (),
    **further: Any,
) -> dict[str, Any]:
    """Return the container.

    Args:
        image: Used where the part names none.
        env: Our variables; the part's own win.
        further: More fields of the container.
    """
    variables = merged_env(env, part)
    return {
        "name": component,
        "image": part.image or image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": PORTS[component], "protocol": "TCP"}],
        **further,
        **({"env": variables} if variables else {}),
        "resources": resources,
        "startupProbe": probes.startup,
        "livenessProbe": probes.liveness,
        "readinessProbe": probes.readiness,
        "lifecycle": {"preStop": pre_stop},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        # What a container that failed wrote last is its status then, and the pipeline's condition can say it.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [_TMP, *mounts],
    }


def merged_env(ours: Mapping[str, str], part: ComponentSpec) -> list[dict[str, Any]]:
    """Return our variables and the part's, in this order; where both have one, only the part's."""
    given = {variable.name: without_nulls(variable.manifest()) for variable in part.env}
    own = [{"name": name, "value": value} for name, value in ours.items() if name not in given]
    return [*own, *given.values()]


def amounts(part: ComponentSpec, default: Amounts, gpu: Gpu | None = None) -> Amounts:
    """Return what the container asks for: what the part says, or else the default; and its GPUs."""
    asked = default if part.resources is None else part.resources.manifest()
    if gpu is not None and gpu.count:
        # Only a limit: what cannot be shared is requested as much as it is limited.
        asked = {**asked, "limits": {**asked.get("limits", {}), gpu.resource_name: f"{gpu.count}"}}
    return {kind: by_resource for kind, by_resource in asked.items() if by_resource}


def without_nulls(given: Any) -> Any:
    """Return JSON that a user hands through without the nulls in it, which say nothing."""
    if isinstance(given, dict):
        return {key: without_nulls(value) for key, value in given.items() if value is not None}
    if isinstance(given, list):
        return [without_nulls(value) for value in given]
    return given
