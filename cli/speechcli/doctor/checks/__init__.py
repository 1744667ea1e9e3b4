"""The checks: pure functions of the facts, each yielding its verdicts. `ALL` has them in the order of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.checks import (
    bridge,
    conditions,
    gpus,
    ingress,
    installation,
    models,
    names,
    network_policy,
    permissions,
    pods,
    storage,
    tls,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from speechcli.doctor.facts import Facts
    from speechcli.doctor.verdicts import Verdict

ALL: tuple[Callable[[Facts], Iterable[Verdict]], ...] = (
    installation.check,
    permissions.check,
    conditions.check,
    pods.check,
    gpus.check,
    storage.check,
    models.check,
    ingress.check,
    names.check,
    tls.check,
    network_policy.check,
    bridge.check,
)


def run(facts: Facts) -> list[Verdict]:
    """Return the verdicts of all checks."""
    return [verdict for check in ALL for verdict in check(facts)]
