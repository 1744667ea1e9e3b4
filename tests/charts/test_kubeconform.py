"""Every rendered object, held by kubeconform against the schemas of the very API server it is for.

The schemas come from the server's own OpenAPI document, the custom resource's among them, closed so that a member that
the server would drop is an error.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from charts.helm import Helm, name_of, program, value_files
from cluster.api import Api
from speechlocal.offline import node_image

pytestmark = pytest.mark.cluster

KIND = "x-kubernetes-group-version-kind"
LAYOUT = "{{.Group}}-{{.ResourceAPIVersion}}-{{.ResourceKind}}.json"
INT_OR_STRING = {"type": ["integer", "string"]}
PROMETHEUS_OPERATOR = ("PodMonitor", "PrometheusRule")  # whose definitions this API server does not have
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"  # called a string there; the server takes numbers as well


@pytest.fixture
async def schemas(api: Api, crd: dict[str, Any], tmp_path: Path) -> str:
    """A folder of schemas, as kubeconform's --schema-location names it."""
    definitions = json.loads(await api.text("/openapi/v2"))["definitions"]
    assert any(crd["spec"]["names"]["kind"] == of["kind"] for one in definitions.values() for of in one.get(KIND, ()))
    resolved = {name: closed(definition) for name, definition in definitions.items()}
    resolved[QUANTITY] = {"type": ["string", "number"]}
    (tmp_path / "all.json").write_text(json.dumps({"definitions": resolved}))
    for name, definition in definitions.items():
        for of in definition.get(KIND, ()):
            file = f"{of['group'] or of['version']}-{of['version']}-{of['kind']}.json".lower()
            (tmp_path / file).write_text(json.dumps({"$ref": f"all.json#/definitions/{name}"}))
    return f"{tmp_path}/{LAYOUT}"


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without Swagger's own words, closed where it names its members."""
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/definitions/", "all.json#/definitions/")}
    plain = {key: schema[key] for key in ("type", "required", "enum", "pattern") if key in schema}
    if "properties" in schema:
        plain["properties"] = {name: closed(member) for name, member in schema["properties"].items()}
        plain["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            plain[inner] = closed(schema[inner])
    return plain


def check(schemas: str, manifests: str) -> list[dict[str, Any]]:
    """What kubeconform finds."""
    skipped = ",".join(PROMETHEUS_OPERATOR)
    command = [program("kubeconform"), "-strict", "-output", "json", "-schema-location", schemas, "-skip", skipped]
    done = subprocess.run(command, input=manifests, capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)["resources"]
    return found


async def test_every_render_keeps_to_the_clusters_schemas(schemas: str, helm: Helm) -> None:
    rendered = [helm.template("--include-crds", "--values", file, name=name_of(file)) for file in value_files()]

    assert check(schemas, "\n---\n".join(rendered)) == []


async def test_the_pod_network_of_a_node_built_here_keeps_to_them_too(schemas: str) -> None:
    assert check(schemas, node_image.cni_manifest()) == []


async def test_a_wrong_member_is_found(schemas: str, helm: Helm) -> None:
    wrong = helm.template().replace("serviceAccountName:", "serviceAcountName:")

    (found,) = check(schemas, wrong)

    assert "serviceAcountName" in found["msg"]
