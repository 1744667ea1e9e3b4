"""The rights that the chart gives the operator, applied to the test's API server as the chart renders them."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from cluster.api import Api, Object
from cluster.control_plane import ControlPlane, Identity
from cluster.gateway_api import DEFINITION as GATEWAY_API
from cluster.operator_process import Stage
from speechlocal import versions
from speechlocal.children import free_port
from speechlocal.paths import CHART

RELEASE = HOME = "speech"
WANTED = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")

INGRESS_CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "traefik"},
    "spec": {"controller": "traefik.io/ingress-controller"},
}


async def prepared(plane: ControlPlane, helm: Path, home: str = HOME, *options: str) -> Stage:
    """Make ready for operators: what they find in a cluster, and what the chart gives them in the namespace `home`."""
    objects = rendered(helm, home, *options)
    [deployment] = [body for body in objects if body["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
    async with Api(plane.access()) as api:
        for body in ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}}, INGRESS_CLASS, GATEWAY_API):
            await api.apply(body)
        identity = await install_rights(api, objects, home)
    return Stage(plane, identity, home, environment, free_port(), objects)


def rendered(helm: Path, namespace: str, *options: str) -> list[Object]:
    """What the chart installs into `namespace`, in its order."""
    at = ("--namespace", namespace, "--kube-version", versions.KUBERNETES)
    command: list[str | Path] = [helm, "template", RELEASE, CHART, *at, *options]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


async def install_rights(api: Api, objects: list[Object], namespace: str) -> Identity:
    """Apply the rights, and mint a token of the operator's ServiceAccount."""
    for body in objects:
        if body["kind"] in WANTED:
            await api.apply(body, namespace)
    [deployment] = [body for body in objects if body["kind"] == "Deployment"]
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await api.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", request)
    return Identity(f"system:serviceaccount:{namespace}:{account}", answer["status"]["token"])


def granted(objects: list[Object], account: str) -> set[tuple[str, str, str]]:
    """Every (group, resource[/subresource], verb) that the rendered roles bound to `account` grant."""
    bound = {
        (body["roleRef"]["kind"], body["roleRef"]["name"])
        for body in objects
        if body["kind"].endswith("Binding") and any(subject["name"] == account for subject in body["subjects"])
    }
    rules: list[dict[str, Any]] = [
        rule for body in objects if (body["kind"], body["metadata"]["name"]) in bound for rule in body["rules"]
    ]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
