"""Which images there are, what each is built from, and in which order."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import ollama, paths
from speechlocal.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

REGISTRY_FOLDER = "speechpipeline"


@dataclass(frozen=True)
class Image:
    """An image of ours.

    `dockerfile` is relative to the repository's root. `on` names the image it is built on; empty: the Debian base.
    `published` is one of somebody else's that serves as well, and gets our tag where it can be pulled.
    `device` is the kind of GPU it is built for; such images are over a gigabyte and built only when named.
    `seconds` is how long the first build takes on two cores, only for showing.
    """

    name: str
    dockerfile: str
    seconds: int
    on: str = ""
    version: str = ""
    published: str = ""
    device: str = ""

    @property
    def tag(self) -> str:
        """The image's name with its version, this project's or that of the program inside, and its device."""
        name = self.name.removesuffix(f"-{self.device}")
        version = self.version or project_version()
        return f"{REGISTRY_FOLDER}/{name}:{version}" + (f"-{self.device}" if self.device else "")


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
            version=ollama.VERSION,
            published=f"ollama/ollama:{ollama.VERSION}",
        ),
        Image("whisper-tiny.en", "local/images/whisper-tiny.en.Dockerfile", seconds=5, on="whisper"),
        Image("whisper-cuda", "whisper/Dockerfile", seconds=120, device="cuda"),
    )
}


def chosen(names: Iterable[str]) -> list[Image]:
    """Return the images of these names in the order in which they can be built; without names, all CPU images.

    An image that another one is built on comes along, before it. Raises UsageError for a name that is none.
    """
    wanted = set(names) or {image.name for image in IMAGES.values() if not image.device}
    if unknown := sorted(wanted - set(IMAGES)):
        raise UsageError(f"there is no image {', '.join(unknown)}", f"the images are {', '.join(IMAGES)}")
    wanted |= {IMAGES[name].on for name in wanted if IMAGES[name].on}
    return [image for image in IMAGES.values() if image.name in wanted]


def tag(name: str) -> str:
    """Return the tag of the image `name`, such as speechpipeline/bridge:0.1.0."""
    return IMAGES[name].tag


@functools.cache
def project_version(root: Path = paths.REPOSITORY) -> str:
    """Return this project's version, from pyproject.toml: a package that is installed may be of another state."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])
