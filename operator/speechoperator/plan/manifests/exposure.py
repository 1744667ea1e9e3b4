"""Exposure of the bridge outside the cluster: an Ingress, or an HTTPRoute of a Gateway.

Requests and responses are streamed: proxies must not buffer bodies, and must not time out before the bridge does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from speechoperator.api.labels import metadata
from speechoperator.api.names import PORTS, object_name
from speechoperator.plan.manifests.limits import longest_audio

if TYPE_CHECKING:
    from speechoperator.api import Gateway, Ingress, SpeechPipeline
    from speechoperator.kube.objects import Object

_TIMEOUT_MARGIN = 10
"""Seconds added to the bridge's timeouts, so that its own timeout response gets through."""
_NO_TIMEOUT = "0s"
"""Disables a timeout of an HTTPRoute (GEP-1742)."""


def ingress(pipeline: SpeechPipeline, spec: Ingress) -> Object:
    """Return the Ingress. The annotations are for ingress-nginx, which buffers by default; others ignore them."""
    stall = math.ceil(pipeline.spec.bridge.request_timeout_seconds)
    # What the bridge takes at most: nothing of a response that is no stream is sent before.
    total = 2 * stall + math.ceil(2 * longest_audio(pipeline.spec.bridge))
    prefix = "nginx.ingress.kubernetes.io"
    streaming = {
        f"{prefix}/proxy-body-size": "0",
        f"{prefix}/proxy-buffering": "off",
        f"{prefix}/proxy-request-buffering": "off",
        f"{prefix}/proxy-read-timeout": f"{total + _TIMEOUT_MARGIN}",
        f"{prefix}/proxy-send-timeout": f"{stall + _TIMEOUT_MARGIN}",
    }
    name = object_name(pipeline.name, "bridge")
    backend = {"service": {"name": name, "port": {"number": PORTS["bridge"]}}}
    certificate = {"hosts": [spec.host], "secretName": spec.tls_secret_name}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(pipeline, "bridge", name, {**streaming, **spec.annotations}),
        "spec": {
            **({"ingressClassName": spec.class_name} if spec.class_name else {}),
            "rules": [
                {
                    "host": spec.host,
                    "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
                }
            ],
            **({"tls": [certificate]} if spec.tls_secret_name else {}),
        },
    }


def http_route(pipeline: SpeechPipeline, spec: Gateway) -> Object:
    """Return the HTTPRoute, without a request timeout: many gateways default to 15 s.

    It would cover the upload and the whole response, which the bridge limits by progress.
    """
    name = object_name(pipeline.name, "bridge")
    parent = spec.parent_ref
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
            "hostnames": [spec.host],
            "rules": [
                {
                    "backendRefs": [{"name": name, "port": PORTS["bridge"]}],
                    "timeouts": {"request": _NO_TIMEOUT},
                }
            ],
        },
    }
