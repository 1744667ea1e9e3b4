"""Which tests run in one process, because they share fixtures that are slow to make or exist once on a machine."""

from collections.abc import Iterable

CLUSTER_TESTS = "tests/e2e/test_cluster_"
CLUSTER_FIXTURE = "kind_cluster"
"""Locks the cluster for the process: a second process with such tests would wait for the end of the first."""
SHARING = (CLUSTER_TESTS, "tests/cluster/")
"""How the names of files begin whose tests share a cluster, those that take longest first."""


def shared(nodeid: str) -> str:
    """What a test shares with others: a cluster, or the fixtures of its file."""
    file = nodeid.partition("::")[0]
    return next((start for start in SHARING if file.startswith(start)), file)


def misnamed(nodeid: str, fixtures: Iterable[str]) -> bool:
    """Whether a test uses the cluster of the e2e tests, by all its fixtures, and would run in another process.

    Files that are only run by name, such as that of `make pictures`, have a process of their own.
    """
    collected = "/test_" in nodeid.partition("::")[0]
    return collected and CLUSTER_FIXTURE in fixtures and shared(nodeid) != CLUSTER_TESTS
