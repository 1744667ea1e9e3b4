"""The kinds of objects that the plugin reads, by their paths in the API."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """A kind of object: its apiVersion and its plural."""

    version: str
    plural: str

    @property
    def group(self) -> str:
        """The API group; "" for the core group."""
        return self.version.rpartition("/")[0]

    @property
    def full_name(self) -> str:
        """The name that `kubectl auth can-i` takes, such as `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "") -> str:
        """Return the path of an object, or of all of them; without a namespace, of the whole cluster."""
        parts = [f"/{'apis' if self.group else 'api'}/{self.version}"]
        if namespace:
            parts.append(f"namespaces/{namespace}")
        return "/".join([*parts, self.plural, *([name] if name else [])])


PIPELINES = Resource("speechpipeline.dev/v1alpha1", "speechpipelines")
PODS = Resource("v1", "pods")
EVENTS = Resource("v1", "events")
NODES = Resource("v1", "nodes")
NAMESPACES = Resource("v1", "namespaces")
SERVICES = Resource("v1", "services")
SECRETS = Resource("v1", "secrets")
PVCS = Resource("v1", "persistentvolumeclaims")
DEPLOYMENTS = Resource("apps/v1", "deployments")
DAEMON_SETS = Resource("apps/v1", "daemonsets")
INGRESSES = Resource("networking.k8s.io/v1", "ingresses")
INGRESS_CLASSES = Resource("networking.k8s.io/v1", "ingressclasses")
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "networkpolicies")
CRDS = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews")
