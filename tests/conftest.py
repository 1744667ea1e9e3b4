"""Every test names its tier, exactly once; `make test` runs them all, in two processes side by side."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import speechbridge.settings
import speechoperator.settings
import speechwhisper.settings

pytest_plugins = ["cluster.plugin"]
"""A real API server, for the operator's tests and for those of the tier `cluster`."""

TIERS = {"unit", "component", "cluster", "e2e"}
TERMINAL = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES")
"""Variables by which rich, and argparse, show one thing on this terminal and another on that."""
SERVICES = (speechbridge.settings.Settings, speechwhisper.settings.Settings, speechoperator.settings.Settings)
"""Their settings are variables that others use as well: HOST, PORT, LOG_LEVEL."""
LOOPBACK = "127.0.0.1,localhost,::1"
SHARING = ("tests/e2e/", "tests/cluster/")
"""Folders whose tests share a cluster, the one that takes longest first."""


def pytest_configure() -> None:
    """Let the tests find the same on every machine, however they are started."""
    have_signals()
    for name in (*TERMINAL, *(name.upper() for service in SERVICES for name in service.model_fields)):
        os.environ.pop(name, None)
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), LOOPBACK]))
    # By default an example that takes 0.2 s fails, and so do examples that are slow to make up.
    settings.register_profile("any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")


def have_signals() -> None:
    """Let the programs under test have their signals: those of a script's background job or of nohup are ignored.

    What a process ignores its children ignore too (execve(2)); what it only handles by doing nothing they do not.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Look at the tiers; of several processes each gets what takes long first."""
    for item in items:
        tiers = TIERS & {mark.name for mark in item.iter_markers()}
        if len(tiers) != 1:
            message = f"{item.nodeid} must name one tier of {sorted(TIERS)}, has {sorted(tiers)}"
            raise pytest.UsageError(message)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: (*SHARING, shared(item.nodeid)).index(shared(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give each process whole files, or whole folders. (`--dist loadgroup` finds no groups from pytest 9.2 on.)"""
    return WholeFiles(config, log)


class WholeFiles(LoadScopeScheduling):
    """Tests that share fixtures which are slow to make run in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return shared(nodeid)


def shared(nodeid: str) -> str:
    """What a test shares with others: the cluster of its folder, or the fixtures of its file."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in SHARING if file.startswith(folder)), file)
