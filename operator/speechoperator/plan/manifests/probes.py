"""Probes: how kubelet learns that a container has started, works, and takes requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Probe = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a container; the other two begin once `startup` has succeeded."""

    startup: Probe
    liveness: Probe
    readiness: Probe


def over_http(path: str, *, period: int, timeout: int, failures: int) -> Probe:
    """Return a probe that asks for a page, by the port named `http`.

    Args:
        period: Seconds between two questions.
        timeout: Seconds that an answer may take.
        failures: Failures in a row that count.
    """
    return _probe({"httpGet": {"path": path, "port": "http"}}, period, timeout, failures)


def over_tcp(*, period: int, timeout: int, failures: int) -> Probe:
    """Return a probe that opens a connection: for a server whose HTTP freezes while it works."""
    return _probe({"tcpSocket": {"port": "http"}}, period, timeout, failures)


def _probe(action: dict[str, Any], period: int, timeout: int, failures: int) -> Probe:
    return {**action, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}
