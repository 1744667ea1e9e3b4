"""The programs that the local cluster and its tests run: which version of each, and where this machine has it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import paths, versions

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION_TIMEOUT_S = 10.0
KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubeadm",
    "kubectl",
)
VERSIONS = {
    **dict.fromkeys(KUBERNETES, versions.KUBERNETES),
    "etcd": versions.ETCD,
    "kind": versions.KIND,
    "helm": versions.HELM,
    "local-path-provisioner": versions.LOCAL_PATH_PROVISIONER,
    "metrics-server": versions.METRICS_SERVER,
    "coredns": versions.COREDNS,
    "kube-network-policies": versions.KUBE_NETWORK_POLICIES,
    "kwok": versions.KWOK,
    "kubeconform": versions.KUBECONFORM,
    "ct": versions.CHART_TESTING,
    "docker-compose": versions.COMPOSE,
    "otelcol": versions.OTELCOL,
}
"""The version that is built here, by program."""


@dataclass(frozen=True)
class Installed:
    """Which installed versions (major, minor) can be used; `arguments` make the program print its version."""

    arguments: tuple[str, ...]
    at_least: tuple[int, int]
    below: tuple[int, int]

    def fits(self, output: str) -> bool:
        """Return whether the first version number in the output lies within the bounds."""
        found = re.search(r"v?(\d+)\.(\d+)\.\d+", output)
        return found is not None and self.at_least <= (int(found[1]), int(found[2])) < self.below


KUBERNETES_MINOR = int(versions.KUBERNETES.split(".")[1])
INSTALLED = {
    # kubectl supports an API server one minor version older or newer
    "kubectl": Installed(("version", "--client"), (1, KUBERNETES_MINOR - 1), (1, KUBERNETES_MINOR + 2)),
    "kind": Installed(("version",), (0, 30), (1, 0)),
    "helm": Installed(("version", "--short"), (3, 14), (4, 0)),
    "docker-compose": Installed(("version",), (2, 20), (6, 0)),
}
"""The programs that are used from PATH where their version fits; all others are built here."""


def find(name: str) -> Path | None:
    """Return the path of a program: the cached one, else an installed one whose version fits, else None."""
    if cached(name).is_file():
        return cached(name)
    installed, on_path = INSTALLED.get(name), shutil.which(name)
    if installed and on_path and installed.fits(_output([on_path, *installed.arguments])):
        return Path(on_path)
    return None


def missing(names: Iterable[str]) -> frozenset[str]:
    """Return the programs that are neither cached nor installed."""
    return frozenset(name for name in names if find(name) is None)


def cached(name: str) -> Path:
    """Return the path of a program in the cache, present or not; raise KeyError for an unknown one."""
    return folder() / f"{name}-{VERSIONS[name].removeprefix('v')}" / name


def folder() -> Path:
    """Return the cache's folder for programs."""
    return paths.cache() / "tools"


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
