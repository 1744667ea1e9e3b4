"""The cluster that the tests of the whole service share: how they reach its API, its ingress and its programs."""

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.api import Access, Api
from speechlocal.cluster import access, lifecycle
from speechlocal.containers import command

ADMIN = "speechpipeline-e2e"


@dataclass(frozen=True)
class KindCluster:
    """A cluster that is up: Kubernetes, its ingress on a port of 127.0.0.1, the images, and nothing of ours yet."""

    name: str
    way: access.Access
    copied: frozenset[str]
    """Images that it did not have before: pods that run on older ones of the same tag start anew."""

    api_access: Access

    @property
    def ingress(self) -> str:
        return self.way.url

    def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        return command.run([*self.way.kubectl, *arguments], stdin=stdin)

    def helm(self, *arguments: str | Path) -> str:
        return command.run([*self.way.helm, *arguments])

    def api(self) -> Api:
        return Api(self.api_access)


def reach(name: str, found: lifecycle.Up) -> KindCluster:
    """Make an administrator with a token, which is what the tests' client of the API takes."""
    way = found.access
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": ADMIN},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": ADMIN, "namespace": "kube-system"}],
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ADMIN, "namespace": "kube-system"}}
    command.run([*way.kubectl, "apply", "-f", "-"], stdin=yaml.safe_dump_all([account, binding]))
    token = command.run([*way.kubectl, "-n", "kube-system", "create", "token", ADMIN, "--duration=4h"])
    server, trust = _server(yaml.safe_load(way.kubeconfig.read_text()))
    return KindCluster(name, way, found.copied, Access(server, trust, token))


def _server(config: dict[str, Any]) -> tuple[str, ssl.SSLContext]:
    server = config["clusters"][0]["cluster"]
    authority = base64.b64decode(server["certificate-authority-data"]).decode()
    return server["server"], ssl.create_default_context(cadata=authority)
