"""Which programs the local cluster and its tests run, and how each is built from its Go module."""

from __future__ import annotations

import re
from dataclasses import dataclass

from speechlocal import versions

GO_MODULES = "local/offline/go"  # modules of our own: where `go install PACKAGE@VERSION` would not do


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

    Attributes:
        module: A folder in GO_MODULES, or empty where `go install PACKAGE@VERSION` builds it.
        apart: It cannot be built in one run of Go with the others of its module.
        says: Variables of the program that are set when it is linked, as "path=value": mostly its version.
        steps: How many packages a build with an empty cache compiles; only for showing, as are
        seconds: How long that takes on two cores.
        on_path: When one that is installed already will do.
    """

    name: str
    version: str
    package: str
    module: str = ""
    apart: bool = False
    says: tuple[str, ...] = ()
    steps: int = 0
    seconds: int = 0
    on_path: OnPath | None = None

    @property
    def go_name(self) -> str:
        """The file name that Go gives the program: the last element of its path that is not a major version."""
        *before, last = self.package.split("/")
        return before[-1] if re.fullmatch(r"v\d+", last) else last

    @property
    def unit(self) -> str:
        """What is built in one run of Go, under this name."""
        return self.name if self.apart or not self.module else self.module


KUBERNETES_MINOR = versions.KUBERNETES.split(".")[1]
KUBERNETES_SAYS = (
    f"k8s.io/component-base/version.gitVersion={versions.KUBERNETES}",
    "k8s.io/component-base/version.gitMajor=1",
    f"k8s.io/component-base/version.gitMinor={KUBERNETES_MINOR}",
    f"k8s.io/client-go/pkg/version.gitVersion={versions.KUBERNETES}",
)
HELM_SAYS = (
    f"helm.sh/helm/v3/internal/version.version={versions.HELM}",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
    f"helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={KUBERNETES_MINOR}",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
    f"helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={KUBERNETES_MINOR}",
)
KUBERNETES_MODULE = "kubernetes"
"""The module of Kubernetes and of what shares most of its packages with it: they take hardly longer than it alone."""

KUBERNETES_STEPS, KUBERNETES_SECONDS = 2900, 420
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
    """Return a program of Kubernetes itself."""
    return _of_kubernetes(
        name,
        versions.KUBERNETES,
        f"k8s.io/kubernetes/cmd/{name}",
        KUBERNETES_SAYS,
        # kubectl may be one minor version off the API server
        on_path=OnPath(("version", "--client"), (1, MINOR - 1), (1, MINOR + 2)) if name == "kubectl" else None,
    )


def _of_kubernetes(
    name: str, version: str, package: str, says: tuple[str, ...] = (), *, on_path: OnPath | None = None
) -> Program:
    return Program(
        name,
        version,
        package,
        module=KUBERNETES_MODULE,
        says=says,
        steps=KUBERNETES_STEPS,
        seconds=KUBERNETES_SECONDS,
        on_path=on_path,
    )


PROGRAMS = {
    program.name: program
    for program in (
        *map(kubernetes, KUBERNETES_PROGRAMS),
        _of_kubernetes("etcd", versions.ETCD, "go.etcd.io/etcd/server/v3"),
        _of_kubernetes(
            "kind",
            versions.KIND,
            "sigs.k8s.io/kind",
            on_path=OnPath(("version",), (0, 30), (1, 0)),
        ),
        _of_kubernetes(
            "helm",
            versions.HELM,
            "helm.sh/helm/v3/cmd/helm",
            HELM_SAYS,
            on_path=OnPath(("version", "--short"), (3, 14), (4, 0)),
        ),
        Program(
            "local-path-provisioner",
            versions.LOCAL_PATH_PROVISIONER,
            "github.com/rancher/local-path-provisioner",
            module=KUBERNETES_MODULE,
            apart=True,  # it imports logrus by an older name, which Go takes for a collision with the newer one
            says=(f"main.VERSION={versions.LOCAL_PATH_PROVISIONER}",),
            steps=10,
            seconds=10,
        ),
        _of_kubernetes(
            "metrics-server",
            versions.METRICS_SERVER,
            "sigs.k8s.io/metrics-server/cmd/metrics-server",
            (f"sigs.k8s.io/metrics-server/pkg/version.gitVersion={versions.METRICS_SERVER}",),
        ),
        Program(
            "coredns",
            versions.COREDNS,
            "speechpipeline.dev/local/coredns",
            module="coredns",
            steps=900,
            seconds=80,
        ),
        Program(
            "kwok",
            versions.KWOK,
            "sigs.k8s.io/kwok/cmd/kwok",
            says=(f"sigs.k8s.io/kwok/pkg/consts.Version={versions.KWOK}",),
            steps=900,
            seconds=80,
        ),
        Program(
            "kubeconform",
            versions.KUBECONFORM,
            "github.com/yannh/kubeconform/cmd/kubeconform",
            says=(f"main.version={versions.KUBECONFORM}",),
            steps=150,
            seconds=10,
        ),
        Program(
            "docker-compose",
            versions.COMPOSE,
            "github.com/docker/compose/v2/cmd",
            module="compose",  # its go.mod excludes versions, which `go install` refuses
            says=(f"github.com/docker/compose/v2/internal.Version={versions.COMPOSE}",),
            steps=1300,
            seconds=80,
            on_path=OnPath(("version",), (2, 20), (6, 0)),
        ),
    )
}
