"""What a real API server says to every object of the chart, with each of the value files in its `ci` folder.

The objects are sent as a dry run into namespaces with restricted Pod Security; a warning is as bad as a refusal.
"""

import asyncio
import subprocess
from pathlib import Path

import pytest
import yaml

from charts.conftest import DEFINITION
from charts.helm import Helm, name_of, program, value_files, values
from charts.test_kubeconform import PROMETHEUS_OPERATOR
from cluster.api import Api, Object
from cluster.control_plane import ControlPlane
from speechlocal.paths import CHART

pytestmark = pytest.mark.cluster

RELEASE = "voice"
NAMESPACES = (RELEASE, "calls", "night", "monitoring")
"""That of the release, and others that the values name."""
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@pytest.fixture
async def namespaces(admin: Api) -> None:
    """The namespaces, and the definition of the custom resource; nothing is made in them."""
    await admin.apply(yaml.safe_load((CHART / "crds" / "speechpipelines.yaml").read_text()))
    await admin.until("CustomResourceDefinition", None, DEFINITION, served)
    for name in NAMESPACES:
        await admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})
    await admin.until("ServiceAccount", RELEASE, "default", bool)


def served(definition: Object) -> bool:
    conditions = definition.get("status", {}).get("conditions") or ()
    return any((one["type"], one["status"]) == ("Established", "True") for one in conditions)


def sent(plane: ControlPlane, objects: list[Object]) -> subprocess.CompletedProcess[str]:
    """What `kubectl` says to these objects, which are not kept."""
    command = (program("kubectl"), "--kubeconfig", plane.kubeconfig(), "--warnings-as-errors", "apply")
    options = ("--server-side", "--dry-run=server", "--filename=-")
    manifests = yaml.safe_dump_all(objects)
    return subprocess.run([*command, *options], input=manifests, capture_output=True, text=True, check=False)


@pytest.mark.usefixtures("namespaces")
async def test_every_object_is_accepted_without_a_warning(helm: Helm, bare_cluster: ControlPlane) -> None:
    objects = {name_of(file): helm.objects("--values", file, namespace=RELEASE) for file in value_files()}
    known = {name: [body for body in of if body["kind"] not in PROMETHEUS_OPERATOR] for name, of in objects.items()}

    answers = await asyncio.gather(*(asyncio.to_thread(sent, bare_cluster, of) for of in known.values()))

    assert {name: one.stderr for name, one in zip(known, answers, strict=True) if one.returncode or one.stderr} == {}
    assert all(len(of) > 1 for of in known.values())


@pytest.mark.usefixtures("namespaces")
async def test_a_pod_with_more_rights_is_noticed(helm: Helm, bare_cluster: ControlPlane) -> None:
    deployment = helm.one("Deployment", "--set", "operator.securityContext=null", namespace=RELEASE)

    answer = await asyncio.to_thread(sent, bare_cluster, [deployment])

    assert answer.returncode
    assert "would violate PodSecurity" in answer.stderr


def test_the_package_has_no_values_of_ci(helm: Helm, tmp_path: Path) -> None:
    helm("package", CHART, "--destination", tmp_path)

    [package] = tmp_path.glob("*.tgz")
    listed = subprocess.run(["tar", "--list", "--file", package], check=True, capture_output=True, text=True).stdout
    names = {line.removeprefix("speechpipeline/") for line in listed.splitlines()}

    assert {"Chart.yaml", "README.md", "values.schema.json", "crds/speechpipelines.yaml"} <= names
    assert not [name for name in names if name.startswith("ci/")]
    assert values("default").is_file()
