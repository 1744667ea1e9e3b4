"""Every test names its tier, exactly once; `make test` runs them all."""

import pytest

TIERS = {"unit", "component", "cluster", "e2e"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tiers = TIERS & {mark.name for mark in item.iter_markers()}
        if len(tiers) != 1:
            message = f"{item.nodeid} must name one tier of {sorted(TIERS)}, has {sorted(tiers)}"
            raise pytest.UsageError(message)
