"""Access to a cluster that is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import loopback
from speechlocal.offline import provide

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Access:
    """How to reach a cluster: its kubeconfig, and the port of its ingress on the loopback address."""

    kubeconfig: Path
    port: int

    @property
    def kubectl(self) -> tuple[str, ...]:
        """The kubectl command for this cluster."""
        return (str(provide.program("kubectl")), "--kubeconfig", str(self.kubeconfig))

    @property
    def helm(self) -> tuple[str, ...]:
        """The Helm command for this cluster."""
        return (str(provide.program("helm")), "--kubeconfig", str(self.kubeconfig))

    @property
    def url(self) -> str:
        """The address of the ingress."""
        return loopback.address(self.port)
