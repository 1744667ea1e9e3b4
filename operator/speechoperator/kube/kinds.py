"""Kinds of Kubernetes objects: their names in paths, in RBAC and in YAML."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object.

    Attributes:
        name: "Deployment".
        plural: "deployments".
        version: "v1".
        group: "apps"; "" of the core.
    """

    name: str
    plural: str
    version: str = "v1"
    group: str = ""

    @property
    def api_version(self) -> str:
        """As in `apiVersion`: "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As `kubectl auth can-i` takes it: "deployments.apps"."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of an object, of its subresource, or of all objects in a namespace or in the cluster."""
        parts = ["/apis" if self.group else "/api", self.group, self.version]
        parts += ["namespaces", namespace] if namespace else []
        return "/".join(part for part in (*parts, self.plural, name, subresource) if part)


POD = Kind("Pod", "pods")
PVC = Kind("PersistentVolumeClaim", "persistentvolumeclaims")
REPLICA_SET = Kind("ReplicaSet", "replicasets", group="apps")
EVENT = Kind("Event", "events")
LEASE = Kind("Lease", "leases", group="coordination.k8s.io")
INGRESS_CLASS = Kind("IngressClass", "ingressclasses", group="networking.k8s.io")
CRD = Kind("CustomResourceDefinition", "customresourcedefinitions", group="apiextensions.k8s.io")
