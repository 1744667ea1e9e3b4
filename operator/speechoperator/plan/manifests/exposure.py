"""The way to the bridge from outside the cluster: an Ingress, or an HTTPRoute on a Gateway.

Audio goes up and the answer comes down while both are still being made: nothing on the way may collect a body before
it passes it on, and nothing may give up before the bridge itself does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from speechoperator.api.labels import metadata
from speechoperator.api.names import PORTS, object_name

if TYPE_CHECKING:
    from speechoperator.api import Gateway, Ingress, SpeechPipeline
    from speechoperator.kube.objects import Object

_LONGER_THAN_THE_BRIDGE = 10
"""Seconds beyond the bridge's own deadline, so that its answer to a request that took too long gets through."""


def ingress(pipeline: SpeechPipeline, wanted: Ingress) -> Object:
    """Return the Ingress. The annotations are ingress-nginx's, which buffers by default; others ignore them."""
    seconds = _patience(pipeline)
    prefix = "nginx.ingress.kubernetes.io"
    streaming = {
        f"{prefix}/proxy-body-size": "0",
        f"{prefix}/proxy-buffering": "off",
        f"{prefix}/proxy-request-buffering": "off",
        f"{prefix}/proxy-read-timeout": f"{seconds}",
        f"{prefix}/proxy-send-timeout": f"{seconds}",
    }
    name = object_name(pipeline.name, "bridge")
    backend = {"service": {"name": name, "port": {"number": PORTS["bridge"]}}}
    certificate = {"hosts": [wanted.host], "secretName": wanted.tls_secret_name}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(pipeline, "bridge", name, {**streaming, **wanted.annotations}),
        "spec": {
            **({"ingressClassName": wanted.class_name} if wanted.class_name else {}),
            "rules": [
                {
                    "host": wanted.host,
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
            **({"tls": [certificate]} if wanted.tls_secret_name else {}),
        },
    }


def route(pipeline: SpeechPipeline, wanted: Gateway) -> Object:
    """Return the HTTPRoute; without a time-out of its own many a gateway cuts a request after 15 s."""
    name = object_name(pipeline.name, "bridge")
    parent = wanted.parent_ref
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(pipeline, "bridge", name),
        "spec": {
            "parentRefs": [
                {
                    "name": parent.name,
                    **({"namespace": parent.namespace} if parent.namespace else {}),
                    **({"sectionName": parent.section_name} if parent.section_name else {}),
                }
            ],
            "hostnames": [wanted.host],
            "rules": [
                {
                    "backendRefs": [{"name": name, "port": PORTS["bridge"]}],
                    "timeouts": {"request": f"{_patience(pipeline)}s"},
                }
            ],
        },
    }


def _patience(pipeline: SpeechPipeline) -> int:
    return math.ceil(pipeline.spec.bridge.request_timeout_seconds) + _LONGER_THAN_THE_BRIDGE
