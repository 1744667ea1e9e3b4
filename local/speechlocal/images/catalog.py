"""The images of the platform: what each is built from, and in which order."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechcli.errors import UsageError
from speechlocal import paths, versions
from speechlocal.containers import docker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image of the platform.

    `dockerfile` is relative to the repository's root. `base` is the image it is built on, by default the Debian base
    image. `version` is that of the program inside, by default this project's. `device` is the kind of GPU it is built
    for: such an image is over a gigabyte and built only when named. `seconds` is how long the first build takes on two
    cores, for display only.
    """

    name: str
    dockerfile: str
    seconds: int
    base: str = ""
    version: str = ""
    device: str = ""

    @property
    def tag(self) -> str:
        """The image's name with its version, and the GPU that it is built for."""
        name = self.name.removesuffix(f"-{self.device}")
        version = self.version or project_version()
        return f"{docker.NAMESPACE}/{name}:{version}" + (f"-{self.device}" if self.device else "")


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
        Image("whisper-cuda", "whisper/Dockerfile", seconds=120, device="cuda"),
    )
}


def chosen(names: Iterable[str]) -> list[Image]:
    """Return the images of these names, by default all for CPUs, in an order in which they can be built.

    An image that another one is built on is included, before it. Raises UsageError for an unknown name.
    """
    wanted = set(names) or {image.name for image in IMAGES.values() if not image.device}
    if unknown := sorted(wanted - set(IMAGES)):
        raise UsageError(f"there is no image {', '.join(unknown)}", f"the images are {', '.join(IMAGES)}")
    wanted |= {IMAGES[name].base for name in wanted if IMAGES[name].base}
    return [image for image in IMAGES.values() if image.name in wanted]


def tag(name: str) -> str:
    """Return the tag of the image `name`, such as speechpipeline/bridge:0.1.0."""
    return IMAGES[name].tag


@functools.cache
def project_version(root: Path = paths.REPOSITORY) -> str:
    """Return this project's version from pyproject.toml; an installed package may have another version."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
