"""Third-party programs and images by name: installed, downloaded or built here.

A program on PATH is used where its version fits, and a published image where the container registries answer. The rest
is built here, once. The model registry and the dashboards have no published image and are always built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechlocal.containers import published
from speechlocal.offline import go_programs
from speechlocal.offline.image_recipes import RECIPES
from speechlocal.progress import silent

if TYPE_CHECKING:
    from pathlib import Path

    from speechlocal.progress import Report


def program(name: str, report: Report = silent) -> Path:
    """Return the path of a program, one of `programs.VERSIONS`.

    Raises:
        KeyError: there is no such program.
        MissingError: it must be built and there is no Go.
        LocalError: the build failed.
    """
    return go_programs.ensure([name], report)[name]


def image(name: str, report: Report = silent) -> str:
    """Return the name of an image that the engine has or can pull, one of `image_recipes.RECIPES`.

    Raises:
        KeyError: there is no such image.
        MissingError: it must be built, and something for that is missing on this machine.
        LocalError: the build failed.
    """
    return RECIPES[name].ensure(report) if is_built(name) else published.IMAGES[name]


def tag(name: str) -> str:
    """Return the name that `image` would return; nothing is built. Empty for the node that kind pulls by itself."""
    return RECIPES[name].tag() if is_built(name) else published.IMAGES[name]


def is_built(name: str) -> bool:
    """Return whether an image is built here because it cannot be pulled."""
    return published.image(name) is None
