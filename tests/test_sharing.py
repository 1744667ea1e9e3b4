"""Tests that use the same cluster run in the same process."""

from types import SimpleNamespace

import pytest

from repository import ROOT
from sharing import CLUSTER_FIXTURE, misnamed, shared

pytestmark = pytest.mark.unit


def test_the_files_of_a_cluster_are_one_group_and_others_are_groups_of_their_own() -> None:
    assert shared("tests/e2e/test_cluster_alerts.py::test_a") == shared("tests/e2e/test_cluster_edits.py::test_b[c]")
    assert shared("tests/e2e/test_images.py::test_a") == "tests/e2e/test_images.py"


@pytest.mark.parametrize(
    ("nodeid", "fixtures", "wrong"),
    [
        ("tests/e2e/test_commands.py::test_a", ["tmp_path", CLUSTER_FIXTURE], True),
        ("tests/cluster/test_commands.py::test_a", [CLUSTER_FIXTURE], True),
        ("tests/e2e/test_cluster_commands.py::test_a", [CLUSTER_FIXTURE], False),
        ("tests/e2e/test_images.py::test_a", ["container_engine"], False),
        ("tests/e2e/pictures.py::test_a", [CLUSTER_FIXTURE], False),
    ],
)
def test_a_test_with_the_cluster_outside_its_group_is_refused(nodeid: str, fixtures: list[str], wrong: bool) -> None:  # noqa: FBT001 - a table
    assert misnamed(nodeid, fixtures) is wrong


def test_the_collection_ends_with_such_a_test(request: pytest.FixtureRequest) -> None:
    conftest = request.config.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))
    item = SimpleNamespace(
        nodeid="tests/e2e/test_commands.py::test_a",
        fixturenames=["deployed", CLUSTER_FIXTURE],
        iter_markers=lambda: [pytest.mark.e2e.mark],
    )

    assert conftest is not None
    with pytest.raises(pytest.UsageError, match="must begin with tests/e2e/test_cluster_"):
        conftest.pytest_collection_modifyitems([item])
