"""The commands of the page about the installation, on a cluster that has nothing of ours yet."""

from pathlib import Path

import pytest

from cluster.api import Api
from cluster.control_plane import ControlPlane
from documentation import blocks
from documented_commands import Reader, by_page, kubeconfig, type_all

pytestmark = pytest.mark.cluster

PAGE = "docs/how-to/install-on-kubernetes.md"
DEFINITION = "speechpipelines.speechpipeline.dev"
TEST = "test_the_chart_is_installed_upgraded_and_uninstalled"
MUST_EXIST = ("calls", "night")
"""Namespaces of the page's `watchNamespaces`."""


@pytest.mark.usefixtures("no_definition")
async def test_the_chart_is_installed_upgraded_and_uninstalled(
    admin: Api, bare_cluster: ControlPlane, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    (values,) = [block.text for block in blocks() if block.page == PAGE and block.text.startswith("# values.yaml\n")]
    reader = Reader(
        tmp_path,
        ["helm", "kubectl"],
        saved={"values.yaml": values},
        variables={"KUBECONFIG": kubeconfig(tmp_path, bare_cluster.kubeconfig(), "default")},
    )
    for name in MUST_EXIST:
        await admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    *to_upgrade, to_uninstall, to_remove_everything = by_page("cluster")[PAGE]

    await type_all(reader, to_upgrade, subtests)
    printed = await type_all(reader, blocks(test=TEST), subtests)
    await type_all(reader, [to_uninstall], subtests)

    assert "Rollback was a success" in printed
    assert "registry: registry.example.com" in (reader.folder / "values.yaml").read_text()
    releases = await admin.list("Secret", labelSelector="owner=helm,name=speech")
    assert releases == []
    assert await admin.find("CustomResourceDefinition", None, DEFINITION)

    await type_all(reader, [to_remove_everything], subtests)

    assert await admin.find("CustomResourceDefinition", None, DEFINITION) is None
