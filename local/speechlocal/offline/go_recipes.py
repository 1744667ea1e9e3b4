"""How each program is built from its Go module."""

from __future__ import annotations

import re
from dataclasses import dataclass

from speechlocal import paths, programs, versions

GO_MODULES = paths.OFFLINE / "go"
"""Modules of this repository that pin dependencies, where `go install PACKAGE@VERSION` does not do."""


@dataclass(frozen=True)
class Recipe:
    """How to build a program.

    Attributes:
        package: The Go package of the program.
        module: A folder in GO_MODULES; empty where `go install PACKAGE@VERSION` builds the program.
        separate: Whether it cannot be built in one run of Go with the other programs of its module.
        variables: What the linker sets, as "path=value": mostly the version.
        packages: How many packages a build with an empty cache compiles, for display only.
        seconds: How long that takes on two cores, for display only.
    """

    package: str
    module: str = ""
    separate: bool = False
    variables: tuple[str, ...] = ()
    packages: int = 0
    seconds: int = 0

    @property
    def file_name(self) -> str:
        """The file name that Go gives the program: the last element of its path that is not a major version."""
        *before, last = self.package.split("/")
        return before[-1] if re.fullmatch(r"v\d+", last) else last


KUBERNETES_MODULE = "kubernetes"
"""Kubernetes with programs that share most of its packages: together they take hardly longer than Kubernetes alone."""

KUBERNETES_PACKAGES, KUBERNETES_SECONDS = 2900, 420
KUBERNETES_VARIABLES = (
    f"k8s.io/component-base/version.gitVersion={versions.KUBERNETES}",
    "k8s.io/component-base/version.gitMajor=1",
    f"k8s.io/component-base/version.gitMinor={programs.KUBERNETES_MINOR}",
    f"k8s.io/client-go/pkg/version.gitVersion={versions.KUBERNETES}",
)
HELM_VARIABLES = (
    f"helm.sh/helm/v3/internal/version.version={versions.HELM}",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
    f"helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={programs.KUBERNETES_MINOR}",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
    f"helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor={programs.KUBERNETES_MINOR}",
)


def _with_kubernetes(package: str, variables: tuple[str, ...] = ()) -> Recipe:
    return Recipe(
        package,
        module=KUBERNETES_MODULE,
        variables=variables,
        packages=KUBERNETES_PACKAGES,
        seconds=KUBERNETES_SECONDS,
    )


RECIPES = {
    **{name: _with_kubernetes(f"k8s.io/kubernetes/cmd/{name}", KUBERNETES_VARIABLES) for name in programs.KUBERNETES},
    "etcd": _with_kubernetes("go.etcd.io/etcd/server/v3"),
    "kind": _with_kubernetes("sigs.k8s.io/kind"),
    "helm": _with_kubernetes("helm.sh/helm/v3/cmd/helm", HELM_VARIABLES),
    "local-path-provisioner": Recipe(
        "github.com/rancher/local-path-provisioner",
        module=KUBERNETES_MODULE,
        separate=True,  # it imports logrus by an older name, which Go takes for a collision with the newer one
        variables=(f"main.VERSION={versions.LOCAL_PATH_PROVISIONER}",),
        packages=10,
        seconds=10,
    ),
    "metrics-server": _with_kubernetes(
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        (f"sigs.k8s.io/metrics-server/pkg/version.gitVersion={versions.METRICS_SERVER}",),
    ),
    "coredns": Recipe("speechpipeline.dev/local/coredns", module="coredns", packages=900, seconds=80),
    "kube-network-policies": Recipe("sigs.k8s.io/kube-network-policies/cmd", packages=900, seconds=70),
    "kwok": Recipe(
        "sigs.k8s.io/kwok/cmd/kwok",
        variables=(f"sigs.k8s.io/kwok/pkg/consts.Version={versions.KWOK}",),
        packages=900,
        seconds=80,
    ),
    "kubeconform": Recipe(
        "github.com/yannh/kubeconform/cmd/kubeconform",
        variables=(f"main.version={versions.KUBECONFORM}",),
        packages=150,
        seconds=10,
    ),
    "ct": Recipe(
        "github.com/helm/chart-testing/v3/ct",
        module="chart-testing",  # `go install` asks for the list of all versions, which some proxies lack
        variables=(f"github.com/helm/chart-testing/v3/ct/cmd.Version={versions.CHART_TESTING}",),
        packages=250,
        seconds=15,
    ),
    "docker-compose": Recipe(
        "github.com/docker/compose/v2/cmd",
        module="compose",  # its go.mod excludes versions, which `go install` refuses
        variables=(f"github.com/docker/compose/v2/internal.Version={versions.COMPOSE}",),
        packages=1300,
        seconds=80,
    ),
    "otelcol": Recipe(
        "speechpipeline.dev/local/otelcol",
        module="otelcol",
        variables=(f"main.version={versions.OTELCOL}",),
        packages=850,
        seconds=80,
    ),
}
"""By program, see `programs.VERSIONS`."""


def unit(name: str) -> str:
    """Return the name of the unit in which Go builds a program: that of its module, or the program's own."""
    recipe = RECIPES[name]
    return name if recipe.separate or not recipe.module else recipe.module
