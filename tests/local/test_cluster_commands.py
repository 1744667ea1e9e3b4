"""`make cluster` from its options to its last line; the cluster and the platform are doubles."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from speechlocal.cluster import addons, commands, lifecycle, platform
from speechlocal.cluster.access import Access
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.unit


@pytest.fixture
def waited_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The add-ons that were waited for; the dashboards are late."""
    names: list[str] = []

    async def deploy(*_: object) -> dict[str, Any]:
        return {}

    def wait_ready(_name: str, wanted: Iterable[addons.Addon]) -> None:
        names.extend(one.name for one in wanted)
        if names[-1] == "dashboards":
            raise LocalError("dashboards is not ready after 180 s:\ntheir pods")

    found = lifecycle.Up(Access(Path("kubeconfig"), 8088), frozenset())
    monkeypatch.setattr(lifecycle, "up", lambda *_, **__: found)
    monkeypatch.setattr(platform, "deploy", deploy)
    monkeypatch.setattr(platform, "next_steps", lambda console, *_: console.print("Next"))
    monkeypatch.setattr(addons, "wait_ready", wait_ready)
    return names


def test_late_dashboards_are_a_warning_below_the_next_steps(waited_for: list[str]) -> None:
    console = Console(file=io.StringIO(), width=200)
    options = argparse.Namespace(name="test", port=None, without_platform=False, kubeconfig=None)

    code = commands.up(console, options)

    assert code == 0, "the platform works"
    assert waited_for == [addon.name for addon in addons.ADDONS if addon.slow]
    assert isinstance(console.file, io.StringIO)
    first, *middle, last = console.file.getvalue().splitlines()
    assert first.startswith("cluster: test is up after")
    assert middle == ["Next", "", "cluster: warning: dashboards is not ready after 180 s:", "their pods", ""]
    assert last.startswith("cluster: ready after")
