"""Which programs the local cluster and its tests run, and how each is built from its Go module."""

from __future__ import annotations

import re
from dataclasses import dataclass

from speechlocal.cluster import versions

GO_MODULES = "local/cluster/go"  # modules of our own: where `go install PACKAGE@VERSION` would not do


@dataclass(frozen=True)
class OnPath:
    """When a program that is installed already will do: what prints its version, and the versions that fit."""

    ask: tuple[str, ...]
    oldest: tuple[int, int]
    before: tuple[int, int]

    def fits(self, said: str) -> bool:
        """Tell whether the first version number in what it said lies within the bounds."""
        found = re.search(r"v?(\d+)\.(\d+)\.\d+", said)
        return found is not None and self.oldest <= (int(found[1]), int(found[2])) < self.before


@dataclass(frozen=True)
class Program:
    """A program built with Go.

    `module` is a folder in GO_MODULES, or empty where `go install PACKAGE@VERSION` builds it. `steps` is how many
    packages a build with an empty cache compiles, `seconds` how long that takes on two cores; both only for showing.
    """

    name: str
    version: str
    package: str
    module: str = ""
    ldflags: str = "-s -w"
    steps: int = 0
    seconds: int = 0
    on_path: OnPath | None = None

    @property
    def go_name(self) -> str:
        """The file name that Go gives the program: the last element of its path that is not a major version."""
        *before, last = self.package.split("/")
        return before[-1] if re.fullmatch(r"v\d+", last) else last


KUBERNETES_MINOR = versions.KUBERNETES.split(".")[1]
KUBERNETES_LDFLAGS = (
    f"-s -w -X k8s.io/component-base/version.gitVersion={versions.KUBERNETES}"
    f" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor={KUBERNETES_MINOR}"
    f" -X k8s.io/client-go/pkg/version.gitVersion={versions.KUBERNETES}"
)
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubeadm",
    "kubectl",
)
MINOR = int(KUBERNETES_MINOR)


def kubernetes(name: str) -> Program:
    """Return a program of Kubernetes itself; built together they take hardly longer than the largest alone."""
    return Program(
        name,
        versions.KUBERNETES,
        f"k8s.io/kubernetes/cmd/{name}",
        module="kubernetes",
        ldflags=KUBERNETES_LDFLAGS,
        steps=2400,
        seconds=540,
        # kubectl may be one minor version off the API server
        on_path=OnPath(("version", "--client"), (1, MINOR - 1), (1, MINOR + 2)) if name == "kubectl" else None,
    )


PROGRAMS = {
    program.name: program
    for program in (
        *map(kubernetes, KUBERNETES_PROGRAMS),
        Program("etcd", versions.ETCD, "go.etcd.io/etcd/server/v3", module="etcd", steps=500, seconds=80),
        Program(
            "coredns",
            versions.COREDNS,
            "speechpipeline.dev/local/coredns",
            module="coredns",
            steps=900,
            seconds=120,
        ),
        Program(
            "local-path-provisioner",
            versions.LOCAL_PATH_PROVISIONER,
            "github.com/rancher/local-path-provisioner",
            module="local-path-provisioner",  # with Kubernetes' own versions: the two share the build cache
            ldflags=f"-s -w -X main.VERSION={versions.LOCAL_PATH_PROVISIONER}",
            steps=700,
            seconds=120,
        ),
        Program(
            "kind",
            versions.KIND,
            "sigs.k8s.io/kind",
            steps=250,
            seconds=15,
            on_path=OnPath(("version",), (0, 30), (1, 0)),
        ),
        Program(
            "helm",
            versions.HELM,
            "helm.sh/helm/v3/cmd/helm",
            ldflags=(
                f"-s -w -X helm.sh/helm/v3/internal/version.version={versions.HELM}"
                " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1"
                f" -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={KUBERNETES_MINOR}"
                " -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1"
                f" -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={KUBERNETES_MINOR}"
            ),
            steps=1100,
            seconds=110,
            on_path=OnPath(("version", "--short"), (3, 14), (4, 0)),
        ),
        Program(
            "kubeconform",
            versions.KUBECONFORM,
            "github.com/yannh/kubeconform/cmd/kubeconform",
            ldflags=f"-s -w -X main.version={versions.KUBECONFORM}",
            steps=150,
            seconds=10,
        ),
        Program(
            "kwok",
            versions.KWOK,
            "sigs.k8s.io/kwok/cmd/kwok",
            ldflags=f"-s -w -X sigs.k8s.io/kwok/pkg/consts.Version={versions.KWOK}",
            steps=900,
            seconds=95,
        ),
        Program(
            "metrics-server",
            versions.METRICS_SERVER,
            "sigs.k8s.io/metrics-server/cmd/metrics-server",
            ldflags=f"-s -w -X sigs.k8s.io/metrics-server/pkg/version.gitVersion={versions.METRICS_SERVER}",
            steps=1100,
            seconds=120,
        ),
        Program(
            "docker-compose",
            versions.COMPOSE,
            "github.com/docker/compose/v2/cmd",
            module="compose",  # its go.mod excludes versions, which `go install` refuses
            ldflags=f"-s -w -X github.com/docker/compose/v2/internal.Version={versions.COMPOSE}",
            steps=1300,
            seconds=100,
            on_path=OnPath(("version",), (2, 20), (6, 0)),
        ),
    )
}
