"""Which third-party images can be built here, and from what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal.offline import addon_images, base_image, kubernetes_images, node_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechlocal.progress import Report

PRELOADED = ("traefik", "model-registry", "metrics-server", "dashboards")
"""The images that a node built here has, beside Kubernetes' own."""


@dataclass(frozen=True)
class Recipe:
    """How to build an image.

    Attributes:
        tag: Returns its name without building it.
        ensure: Returns its name, after building the image if it is missing.
        seconds: How long that takes on two cores once its programs and its base are built, for display only.
        programs: The programs in it that are built here.
    """

    tag: Callable[[], str]
    ensure: Callable[[Report], str]
    seconds: int
    programs: frozenset[str] = frozenset()


def _preloaded() -> list[str]:
    return [RECIPES[name].tag() for name in PRELOADED]


RECIPES = {
    "debian": Recipe(base_image.tag, base_image.ensure, seconds=70),
    "traefik": Recipe(lambda: addon_images.TRAEFIK, addon_images.ensure_traefik, seconds=10),
    "model-registry": Recipe(addon_images.model_registry, addon_images.ensure_model_registry, seconds=20),
    "dashboards": Recipe(addon_images.dashboards, addon_images.ensure_dashboards, seconds=15),
    "metrics-server": Recipe(
        lambda: addon_images.METRICS_SERVER,
        addon_images.ensure_metrics_server,
        seconds=5,
        programs=frozenset({"metrics-server"}),
    ),
    "node": Recipe(
        lambda: node_image.tag(_preloaded()),
        lambda report: node_image.ensure(_preloaded(), report),
        seconds=80,
        programs=frozenset(kubernetes_images.PROGRAMS),
    ),
}
"""By image, in the order in which they are best built."""
