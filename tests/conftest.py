"""Every test names its tier, exactly once; `make test` runs them all, in several processes side by side."""

import os
import signal

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import speechbridge.settings
import speechoperator.settings
import speechwhisper.settings
from sharing import CLUSTER_TESTS, SHARING, misnamed, shared

pytest_plugins = ["cluster.plugin"]
"""A real API server, for the operator's tests and for those of the tier `cluster`."""

TIERS = ("e2e", "component", "cluster", "unit")
"""Those with the slowest files first."""
TERMINAL = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS", "LINES")
"""Variables by which rich, and argparse, show one thing on this terminal and another on that."""
SERVICES = (speechbridge.settings.Settings, speechwhisper.settings.Settings, speechoperator.settings.Settings)
"""Their settings are variables that others use as well: HOST, PORT, LOG_LEVEL."""
LOOPBACK = "127.0.0.1,localhost,::1"


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
    """Refuse tests without a tier, or outside their group; several processes take slow files first.

    So none is left alone with one at the end.
    """
    first: dict[str, str] = {}
    """The tier of the first test of each file."""
    for item in items:
        tiers = set(TIERS) & {mark.name for mark in item.iter_markers()}
        if len(tiers) != 1:
            message = f"{item.nodeid} must name one tier of {sorted(TIERS)}, has {sorted(tiers)}"
            raise pytest.UsageError(message)
        if misnamed(item.nodeid, getattr(item, "fixturenames", ())):
            message = (
                f"{item.nodeid} uses the cluster of the e2e tests: its file's name must begin with {CLUSTER_TESTS}"
            )
            raise pytest.UsageError(message)
        first.setdefault(shared(item.nodeid), *tiers)
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: turn(shared(item.nodeid), first[shared(item.nodeid)]))


def turn(scope: str, tier: str) -> int:
    """When the tests of a file, or those that share a cluster, get their turn: the smaller, the earlier."""
    return (*SHARING, *TIERS).index(scope if scope in SHARING else tier)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Give each process whole files, or all that share a cluster.

    `--dist loadgroup` finds no groups from pytest 9.2 on.
    """
    return WholeFiles(config, log)


class WholeFiles(LoadScopeScheduling):
    """Tests that share fixtures which are slow to make run in one process."""

    def _split_scope(self, nodeid: str) -> str:
        return shared(nodeid)
