"""The init containers that provide the models' folder: Whisper's weights, and a folder of the node for Ollama."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.api.names import FETCH, PORTS
from speechoperator.kube.merge import merge
from speechoperator.plan.manifests.containers import Resources, merged_env, resources
from speechoperator.plan.manifests.pod_templates import USER_ID
from speechoperator.plan.manifests.pvcs import CACHE, CACHE_PATH, mount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.api import Ollama, Whisper

_RESOURCES: Resources = {"requests": {"cpu": "100m", "memory": "128Mi"}}
_TERMINATION_LOG = "/dev/termination-log"
"""Where the kubelet reads why a container failed."""
_INHERITED = ("env", "envFrom", "volumeMounts")
_TMP = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - an emptyDir of the pod


def fetches(spec: Whisper) -> bool:
    """Return whether an init container fetches the weights before the server starts.

    It does not if an image contains them. An image that the spec names may be older than the command: its server
    downloads them itself. It cannot write to a folder of the node, so there the image must have the command.
    """
    storage = spec.storage
    needed = spec.engine == "faster-whisper" and not spec.model.startswith("/") and not storage.image
    return needed and (spec.image is None or bool(storage.node_path))


def fetch_container(spec: Whisper, image: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the init container that fetches Whisper's weights (`python -m speechwhisper fetch`).

    It serves its progress on the port of the server, which has not started yet. What the `podTemplate` of the spec adds
    to the server's environment and mounts, such as certificates, applies to it too.

    Args:
        spec: The spec of Whisper.
        image: The image of the server, which has the command.
        env: Variables set by the operator; those in the spec override them, such as HF_TOKEN and HF_ENDPOINT.
    """
    port = f"{PORTS['whisper']}"
    own = {
        "name": FETCH,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "fetch",
            spec.model,
            f"--into={CACHE_PATH}",
            f"--progress-port={port}",
            f"--termination-log={_TERMINATION_LOG}",
            *(["--remove-others"] if _removes_others(spec) else []),
        ],
        "env": merged_env(env, spec),
        "resources": resources(spec, _RESOURCES),
        "securityContext": _security(root=bool(spec.storage.node_path)),
        "terminationMessagePath": _TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [_TMP, mount()],
    }
    added = spec.pod_template.manifest().get("spec", {}).get("containers", ())
    server: dict[str, Any] = next((one for one in added if one.get("name") == "whisper"), {})
    inherited = {field: server[field] for field in _INHERITED if server.get(field) is not None}
    return merge(own, inherited, "initContainers", "initContainers")


def _removes_others(spec: Whisper) -> bool:
    """Return whether the weights of other models are deleted: never from a volume that may not be the pipeline's own.

    `spec.storage` may stand for a cache that is not set; that one keeps them.
    """
    volumes = spec.pod_template.manifest().get("spec", {}).get("volumes", ())
    replaced = any(volume.get("name") == CACHE for volume in volumes)
    return spec.cache.unused_models == "Remove" and spec.storage.creates_pvc and not replaced


def node_folder_container(spec: Ollama, image: str) -> dict[str, Any]:
    """Return the init container that lets Ollama write to a folder of the node, which the kubelet creates for root."""
    models = f"{CACHE_PATH}/models"
    return {
        "name": "folder",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", f"mkdir -p {models} && chown {USER_ID}:{USER_ID} {models}"],
        "resources": resources(spec, _RESOURCES),
        "securityContext": _security("CHOWN", root=True),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [mount()],
    }


def _security(*capabilities: str, root: bool) -> dict[str, Any]:
    """Return minimal privileges. The kubelet changes no owners in a folder of the node, so root fills it."""
    common = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True}
    if not root:
        return {**common, "capabilities": {"drop": ["ALL"]}}
    return {
        **common,
        "capabilities": {"add": [*capabilities, "DAC_OVERRIDE"], "drop": ["ALL"]},
        "runAsNonRoot": False,
        "runAsUser": 0,
        "runAsGroup": 0,
    }
