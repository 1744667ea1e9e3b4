"""Every test names its tier, exactly once; `make test` runs them all."""

import pytest

pytest_plugins = ["cluster.plugin"]
"""A real API server, for the operator's tests and for those of the tier `cluster`."""

TIERS = {"unit", "component", "cluster", "e2e"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tiers = TIERS & {mark.name for mark in item.iter_markers()}
        if len(tiers) != 1:
            message = f"{item.nodeid} must name one tier of {sorted(TIERS)}, has {sorted(tiers)}"
            raise pytest.UsageError(message)
