"""Probes: how the kubelet learns that a container has started, works, and accepts requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Probe = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of a container; liveness and readiness begin after startup has succeeded."""

    startup: Probe
    liveness: Probe
    readiness: Probe


def http_probe(path: str, *, period: int, timeout: int, failures: int) -> Probe:
    """Return an HTTP probe of the port `http`.

    Args:
        path: The path to request.
        period: Seconds between probes.
        timeout: Seconds until a probe fails.
        failures: Consecutive failures that count.
    """
    return _probe({"httpGet": {"path": path, "port": "http"}}, period, timeout, failures)


def tcp_probe(*, period: int, timeout: int, failures: int) -> Probe:
    """Return a probe that opens a connection, for a server that answers no HTTP request while it works."""
    return _probe({"tcpSocket": {"port": "http"}}, period, timeout, failures)


def _probe(action: dict[str, Any], period: int, timeout: int, failures: int) -> Probe:
    return {**action, "periodSeconds": period, "timeoutSeconds": timeout, "failureThreshold": failures}
