"""Which volume a pull fills: one pull at a time runs into each."""

from __future__ import annotations

from typing import Any

import pytest

from speechoperator.plan.models.ollama_pods import volume_of

pytestmark = pytest.mark.unit

DISK = {"hostPath": {"path": "/var/lib/models", "type": "DirectoryOrCreate"}}
CLAIM = {"name": "logs", "persistentVolumeClaim": {"claimName": "logs"}}


def pod(*volumes: dict[str, Any], node: str = "node-1") -> dict[str, Any]:
    return {"metadata": {"name": "calls-ollama-0"}, "spec": {"nodeName": node, "volumes": list(volumes)}}


@pytest.mark.parametrize(
    ("found", "volume"),
    [
        (pod({"name": "cache", "persistentVolumeClaim": {"claimName": "models"}}), "pvc:models"),
        (pod(CLAIM, {"name": "cache", "emptyDir": {}}), "pod:calls-ollama-0"),
        (pod(CLAIM, {"name": "cache", "persistentVolumeClaim": {"claimName": "models"}}), "pvc:models"),
        (pod({"name": "cache", "nfs": {"server": "nas", "path": "/models"}}), "nfs:nas:/models"),
        (pod({"name": "cache", **DISK}), "node:node-1/var/lib/models"),
        (pod({"name": "cache", **DISK}, node=""), "pod:calls-ollama-0"),
        (pod({"name": "cache", "emptyDir": {}}), "pod:calls-ollama-0"),
        (pod({"name": "cache", "emptyDir": {}}, {"name": "devices", **DISK}), "pod:calls-ollama-0"),
    ],
)
def test_pods_that_share_a_volume_share_its_pulls(found: dict[str, Any], volume: str) -> None:
    assert volume_of(found) == volume
