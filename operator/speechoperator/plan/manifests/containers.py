"""The container of a component's pods: environment, resources, and minimal privileges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.names import PORTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import ComponentSpec, Gpu
    from speechoperator.api.names import Component
    from speechoperator.plan.manifests.probes import Probes

Resources = dict[str, dict[str, str]]
"""`requests` and `limits`, each by resource name."""

_TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - an emptyDir of the pod


def container(
    component: Component,
    spec: ComponentSpec,
    *,
    image: str,
    env: Mapping[str, str],
    resources: Resources,
    probes: Probes,
    pre_stop: dict[str, Any],
    mounts: tuple[dict[str, Any], ...] = (),
    **fields: Any,
) -> dict[str, Any]:
    """Return the container.

    Args:
        component: The component, which names the container and its port.
        spec: The spec of the component.
        image: The image.
        env: Variables set by the operator; those in the spec override them.
        resources: Requests and limits.
        probes: The probes.
        pre_stop: The preStop hook.
        mounts: Volume mounts besides /tmp.
        fields: Further fields of the container.
    """
    variables = merged_env(env, spec)
    return {
        "name": component,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": PORTS[component], "protocol": "TCP"}],
        **fields,
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
        # The last log lines of a failed container then show in its status, and in the pipeline's conditions.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [_TMP, *mounts],
    }


def merged_env(defaults: Mapping[str, str], spec: ComponentSpec) -> list[dict[str, Any]]:
    """Return the operator's variables followed by those in the spec, which replace variables of the same name."""
    given = {variable.name: without_nulls(variable.manifest()) for variable in spec.env}
    own = [{"name": name, "value": value} for name, value in defaults.items() if name not in given]
    return [*own, *given.values()]


def resources(spec: ComponentSpec, default: Resources, gpu: Gpu | None = None) -> Resources:
    """Return the resources of the container: those in the spec, or else the default; with its GPUs."""
    chosen = default if spec.resources is None else spec.resources.manifest()
    if gpu is not None and gpu.count:
        # Extended resources cannot be overcommitted: the request follows from the limit.
        chosen = {**chosen, "limits": {**chosen.get("limits", {}), gpu.resource_name: f"{gpu.count}"}}
    return {kind: by_name for kind, by_name in chosen.items() if by_name}


def without_nulls(given: Any) -> Any:
    """Return JSON without null members, which the API server would drop."""
    if isinstance(given, dict):
        return {key: without_nulls(value) for key, value in given.items() if value is not None}
    if isinstance(given, list):
        return [without_nulls(value) for value in given]
    return given
