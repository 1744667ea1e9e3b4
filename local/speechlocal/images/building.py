"""Build images in order: each as the layer cache allows, each said what became of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import debian, models, ollama, ollama_build, paths
from speechlocal.containers import base_image, docker, registries
from speechlocal.errors import LocalError, MissingError
from speechlocal.images import catalog, machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from speechlocal.images.catalog import Image


@dataclass(frozen=True)
class Built:
    """An image that is there: its id (`sha256:...`), its size in bytes, whether it is another one than before."""

    image: Image
    id: str
    size: int
    changed: bool
    seconds: float

    @property
    def tag(self) -> str:
        """The image's tag."""
        return self.image.tag


def packages(names: Iterable[str]) -> tuple[debian.Package, ...]:
    """Return the Debian packages that these images are made with where they cannot be pulled; `names` as for `build`.

    Raises:
        UsageError: there is no image of such a name.
    """
    wanted = {image.name for image in catalog.chosen(names)}
    if registries.answer():
        return ()
    base = () if docker.has_image(base_image.tag()) else (debian.DEBOOTSTRAP,)
    return (*base, *(debian.FOR_OLLAMA if "ollama" in wanted and not ollama.built().is_file() else ()))


def build(
    names: Iterable[str],
    say: Callable[[str], None],
    on_built: Callable[[Built], None] = lambda _built: None,
) -> list[Built]:
    """Build the images of these names, all CPU images when there are none, and those that they are built on.

    Args:
        names: of `catalog.IMAGES`.
        say: called with each line of progress: which image, then what its build says.
        on_built: called with each image as it is there.

    Raises:
        UsageError: there is no image of such a name.
        MissingError: something that it is built from cannot be had on this machine.
        LocalError: a build failed; the end of its output is in the message.
    """
    wanted = catalog.chosen(names)
    base = base_image.ensure(say)
    arguments = machine.build_arguments()
    done = []
    for image in wanted:
        started = time.monotonic()
        before = _id_or_none(image.tag)
        if image.published and registries.answer():
            _pull(image, say)
        else:
            device = {"DEVICE": image.device} if image.device else {}
            _build(image, {**arguments, **device, "BASE": catalog.tag(image.on) if image.on else base}, say)
        built = _built(image, before, time.monotonic() - started)
        on_built(built)
        done.append(built)
    return done


def _pull(image: Image, say: Callable[[str], None]) -> None:
    """Give a published image our tag, unless that was done before."""
    if not docker.has_image(image.published):
        say(f"pulling {image.published}")
        docker.docker("pull", "--quiet", image.published)
    docker.docker("tag", image.published, image.tag)


def _build(image: Image, arguments: dict[str, str], say: Callable[[str], None]) -> None:
    say(f"building {image.tag}")
    docker.build(
        context(image.name, say),
        image.tag,
        dockerfile=paths.REPOSITORY / image.dockerfile,
        arguments={**arguments, "VERSION": image.tag.rpartition(":")[2]},
        say=say,
    )


def _built(image: Image, before: str | None, seconds: float) -> Built:
    identity = docker.image_id(image.tag)
    size = int(docker.docker("image", "inspect", "--format", "{{.Size}}", image.tag))
    return Built(image, identity, size, identity != before, seconds)


def context(name: str, say: Callable[[str], None]) -> Path:
    """Return the folder that goes to the builder: the repository, or the one with the program or the weights.

    Raises:
        MissingError: Ollama is not built and cannot be built here, or the weights are not installed.
    """
    if name == "ollama":
        return ollama_folder(say)
    if name == "whisper-tiny.en":
        return models.whisper_weights()
    return paths.REPOSITORY


def ollama_folder(say: Callable[[str], None]) -> Path:
    """Return the folder of the Ollama that is built from its Go module, after building it where it is not there."""
    if not ollama.built().is_file():
        if lacking := ollama_build.what_is_missing():
            raise MissingError(
                f"the image of Ollama holds a program that is built here, which needs {', '.join(lacking)}",
                "install what is missing, or leave it out with --only; the published image is ollama/ollama",
            )
        ollama_build.build(lambda count, package: say(f"Ollama: {count} of {ollama_build.PACKAGES} packages {package}"))
    return ollama.built().parent


def _id_or_none(tag: str) -> str | None:
    try:
        return docker.image_id(tag)
    except LocalError:
        return None
