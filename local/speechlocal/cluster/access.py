"""The way to a cluster that is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal.offline import tools

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Access:
    """The way to a cluster: its kubeconfig, and the port on 127.0.0.1 where its ingress answers."""

    kubeconfig: Path
    port: int

    @property
    def kubectl(self) -> tuple[str, ...]:
        """Kubectl, for this cluster."""
        return (str(tools.ensure("kubectl")), "--kubeconfig", str(self.kubeconfig))

    @property
    def helm(self) -> tuple[str, ...]:
        """Helm, for this cluster."""
        return (str(tools.ensure("helm")), "--kubeconfig", str(self.kubeconfig))

    @property
    def url(self) -> str:
        """The ingress."""
        return f"http://127.0.0.1:{self.port}"
