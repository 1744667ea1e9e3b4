"""The images of the platform: what each is built from, and in which order."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import paths, versions
from speechlocal.containers import docker
from speechlocal.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image of the platform.

    `dockerfile` is relative to the repository's root. `base` is the image it is built on, by default the Debian base
    image. `version` is that of the program inside, by default this project's. `seconds` is how long the first build
    takes on two cores, for display only.
    """

    name: str
    dockerfile: str
    seconds: int
    base: str = ""
    version: str = ""

    @property
    def tag(self) -> str:
        """The image's name with its version."""
        return f"{docker.NAMESPACE}/{self.name}:{self.version or project_version()}"


IMAGES = {
    image.name: image
    for image in (
        Image("bridge", "bridge/Dockerfile", seconds=60),
        Image("whisper", "whisper/Dockerfile", seconds=60),
        Image("operator", "operator/Dockerfile", seconds=40),
        Image(
            "ollama",
            "local/images/ollama.Dockerfile",
            seconds=25,
            version=versions.OLLAMA,
        ),
        Image("whisper-tiny.en", "local/images/whisper-tiny.en.Dockerfile", seconds=5, base="whisper"),
    )
}


def chosen(names: Iterable[str]) -> list[Image]:
    """Return the images of these names, by default all, in an order in which they can be built.

    An image that another one is built on is included, before it. Raises UsageError for an unknown name.
    """
    wanted = set(names) or set(IMAGES)
    if unknown := sorted(wanted - set(IMAGES)):
        raise UsageError(f"there is no image {', '.join(unknown)}", f"the images are {', '.join(IMAGES)}")
    wanted |= {IMAGES[name].base for name in wanted if IMAGES[name].base}
    return [image for image in IMAGES.values() if image.name in wanted]


def tag(name: str) -> str:
    """Return the tag of the image `name`, such as speechpipeline/bridge:0.1.0."""
    return IMAGES[name].tag


@functools.cache
def project_version(root: Path = paths.REPOSITORY) -> str:
    """Return this project's version from pyproject.toml; an installed package may be of another state."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
