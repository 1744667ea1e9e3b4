"""The third-party images as published; they are used if the container registries are reachable."""

from __future__ import annotations

from speechlocal import versions
from speechlocal.containers import registries

IMAGES = {
    "debian": versions.DEBIAN_IMAGE,
    "node": "",  # kind pulls the node image that it was released with
    "traefik": f"traefik:{versions.TRAEFIK}",
    "metrics-server": f"registry.k8s.io/metrics-server/metrics-server:{versions.METRICS_SERVER}",
    "ollama": f"ollama/ollama:{versions.OLLAMA}",
}


def image(name: str) -> str | None:
    """Return a published image, or None if it cannot be pulled or does not exist."""
    return IMAGES.get(name) if registries.answer() else None
