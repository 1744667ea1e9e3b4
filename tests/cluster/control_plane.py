"""A real Kubernetes control plane as plain processes on loopback: etcd, kube-apiserver, kube-controller-manager.

No kubelet and no scheduler: pods stay Pending until a test plays their part (`cluster.kubelet`). It starts in seconds,
RBAC is on, all requests but the administrator's are in an audit log, and each part can be ended and started again.
"""

import json
import secrets
import signal
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.api import Access, Api
from cluster.audit import POLICY, AuditLog
from cluster.certificates import Certificates, create
from cluster.processes import Process, answers
from speechlocal.children import free_port

ADMIN = "admin"
ISSUER = "https://kubernetes.default.svc"
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "disruption-controller",
    "resourcequota-controller",
    "horizontal-pod-autoscaler-controller",
    "persistentvolumeclaim-protection-controller",
    "clusterrole-aggregation-controller",
)
"""Left out: what needs nodes, clouds or volumes, and endpoints, which refuse the loopback addresses of our pods."""

LAZY_GC = {"GOGC": "400"}
"""Let Go collect its garbage more rarely: for 1 GB of memory it takes a fifth less CPU."""

Programs = Mapping[str, Path]
"""Name -> path, of etcd, kube-apiserver and kube-controller-manager."""


@dataclass(frozen=True)
class Identity:
    """Somebody known to the API server: the name in its audit log, and the token that proves it."""

    user: str
    token: str


class ControlPlane:
    """Use `running(...)`. Ports, keys and data stay the same over a restart of any part."""

    def __init__(self, folder: Path, programs: Programs) -> None:
        self.folder = folder
        self.certificates: Certificates = create(folder)
        self.audit = AuditLog(folder / "audit.log")
        self.admin = Identity(ADMIN, secrets.token_urlsafe())
        self.url = f"https://127.0.0.1:{free_port()}"
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self.trust = ssl.create_default_context(cafile=self.certificates.authority)
        self.etcd = Process("etcd", self._etcd_command(programs["etcd"]), folder, LAZY_GC)
        self.api_server = Process(
            "kube-apiserver", self._api_server_command(programs["kube-apiserver"]), folder, LAZY_GC
        )
        controllers = programs["kube-controller-manager"]
        self.controllers = Process("kube-controller-manager", self._controllers_command(controllers), folder, LAZY_GC)

    def start(self) -> None:
        """Start etcd and the API server, in a thread that lives as long as they shall: they die with it."""
        self.etcd.start()
        self.api_server.start()

    def wait(self) -> None:
        """Wait until the API server is ready for requests.

        Raises:
            StartError: it does not come up.
        """
        self.etcd.wait_until(lambda: answers(f"{self._etcd_url}/health"))
        self.api_server.wait_until(lambda: answers(f"{self.url}/readyz", self.trust))

    def start_controllers(self) -> None:
        """Start them; custom resources that own others must be defined by now, else their deletion waits for 30 s."""
        self.controllers.start()

    def kill_api_server(self) -> None:
        """As a node that loses power does it: no connection is closed in good order."""
        self.api_server.stop(signal.SIGKILL)

    def kill_etcd(self) -> None:
        """Its data outlives it: what was written is in the system's page cache."""
        self.etcd.stop(signal.SIGKILL)

    def stop(self) -> None:
        for part in (self.controllers, self.api_server, self.etcd):
            part.stop(signal.SIGKILL)  # nothing of it is needed again, and in good order it takes a minute

    def access(self, identity: Identity | None = None, url: str | None = None) -> Access:
        """How to reach it; by default directly and as administrator."""
        return Access(url or self.url, self.trust, (identity or self.admin).token)

    def kubeconfig(self, identity: Identity | None = None, url: str | None = None) -> Path:
        """Write a kubeconfig for what takes a file; by default of the administrator. `url`: of a proxy in between."""
        config = _kubeconfig(url or self.url, self.certificates.authority, (identity or self.admin).token)
        with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".kubeconfig", delete=False) as file:
            json.dump(config, file)
        return Path(file.name)

    async def identity(self, namespace: str, name: str, rules: Sequence[dict[str, Any]]) -> Identity:
        """A ServiceAccount with a ClusterRole of its own that grants `rules` everywhere, and a token for it."""
        meta = {"name": f"{namespace}-{name}"}
        rbac = "rbac.authorization.k8s.io"
        role = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": meta, "rules": list(rules)}
        binding = {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": meta["name"]},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
        }
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}
        async with Api(self.access()) as api:
            for body in (account, role, binding):
                await api.apply(body)
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
            where = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
            token = (await api.post(where, request))["status"]["token"]
        return Identity(f"system:serviceaccount:{namespace}:{name}", token)

    def _etcd_command(self, program: Path) -> list[str]:
        peers = f"http://127.0.0.1:{free_port()}"
        return [
            str(program),
            "--unsafe-no-fsync",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={self._etcd_url}",
            f"--advertise-client-urls={self._etcd_url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--log-level=warn",
        ]

    def _api_server_command(self, program: Path) -> list[str]:
        keys = self.certificates
        policy, tokens = self.folder / "audit-policy.yaml", self.folder / "tokens.csv"
        policy.write_text(POLICY)
        tokens.write_text(f'{self.admin.token},{self.admin.user},{self.admin.user},"system:masters"\n')
        return [
            str(program),
            f"--etcd-servers={self._etcd_url}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.url.rpartition(':')[2]}",
            f"--tls-cert-file={keys.server}",
            f"--tls-private-key-file={keys.server_key}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={keys.tokens_key}",
            f"--service-account-signing-key-file={keys.tokens_key}",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--endpoint-reconciler-type=none",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={self.audit.path}",
            "--audit-log-mode=blocking-strict",
            f"--cert-dir={self.folder}",
        ]

    def _controllers_command(self, program: Path) -> list[str]:
        return [
            str(program),
            f"--kubeconfig={self.kubeconfig()}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--leader-elect=false",
            f"--service-account-private-key-file={self.certificates.tokens_key}",
            "--use-service-account-credentials=false",
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--secure-port=0",
            f"--cert-dir={self.folder}",
        ]


@contextmanager
def running(folder: Path, programs: Programs) -> Iterator[ControlPlane]:
    """Start etcd and the API server, without the controllers.

    Raises:
        StartError: one of them did not come up.
    """
    plane = ControlPlane(folder, programs)
    with ExitStack() as ending:
        ending.callback(plane.stop)
        plane.start()
        plane.wait()
        yield plane


def _kubeconfig(url: str, authority: Path, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(authority)}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
    }
