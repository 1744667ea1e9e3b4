"""Every test names its tier, exactly once; `make test` runs them all."""

import signal

import pytest

pytest_plugins = ["cluster.plugin"]
"""A real API server, for the operator's tests and for those of the tier `cluster`."""

TIERS = {"unit", "component", "cluster", "e2e"}


def pytest_configure() -> None:
    """Let the programs under test have their signals: those of a script's background job or of nohup are ignored.

    What a process ignores its children ignore too (execve(2)); what it only handles by doing nothing they do not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tiers = TIERS & {mark.name for mark in item.iter_markers()}
        if len(tiers) != 1:
            message = f"{item.nodeid} must name one tier of {sorted(TIERS)}, has {sorted(tiers)}"
            raise pytest.UsageError(message)
