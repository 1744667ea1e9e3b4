"""Build the platform's images in order, as far as the layer cache does not have them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import models, paths
from speechlocal.containers import docker, published
from speechlocal.errors import LocalError
from speechlocal.images import build_arguments, catalog, labels
from speechlocal.offline import ollama_build, plan, provide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from speechlocal import debian
    from speechlocal.images.catalog import Image
    from speechlocal.progress import Report


@dataclass(frozen=True)
class Built:
    """An image in the engine: its id (`sha256:...`), its size in bytes, and whether it differs from the one before."""

    image: Image
    id: str
    size: int
    changed: bool
    seconds: float

    @property
    def tag(self) -> str:
        """The image's tag."""
        return self.image.tag


def packages(names: Iterable[str]) -> list[debian.Package]:
    """Return the Debian packages needed to build these images here; `names` as for `build`.

    Raises:
        UsageError: there is no image of such a name.
    """
    with_ollama = any(image.name == "ollama" for image in catalog.chosen(names))
    missing = plan.Missing(images=plan.missing_images(["debian"]), ollama=with_ollama and plan.missing_ollama())
    return plan.packages(missing)


def build(
    names: Iterable[str],
    report: Report,
    on_built: Callable[[Built], None] = lambda _built: None,
    *,
    release: bool = False,
) -> list[Built]:
    """Build the images of these names, by default all for CPUs, and those that they are built on.

    Args:
        names: of `catalog.IMAGES`.
        report: called with the image being built, then with each line of its build's output.
        on_built: called with each image once the engine has it.
        release: label the images with the current commit.

    Raises:
        UsageError: there is no image of such a name, or a release has changes that are not committed.
        MissingError: an image needs something that cannot be provided on this machine.
        LocalError: a build failed; the message has the end of its output.
    """
    wanted = catalog.chosen(names)
    of_release = labels.of_release(paths.REPOSITORY) if release else {}
    base = provide.image("debian", report)
    arguments = build_arguments.build_arguments()
    done = []
    for image in wanted:
        started = time.monotonic()
        before = _id_or_none(image.tag)
        if upstream := published.image(image.name):
            _pull(upstream, image.tag, report)
        else:
            device = {"DEVICE": image.device} if image.device else {}
            on = catalog.tag(image.base) if image.base else base
            of_base = labels.of_base(on, "" if "@" in on else docker.image_id(on))
            _build(image, {**arguments, **device, "BASE": on}, {**of_base, **of_release}, report)
        built = _built(image, before, time.monotonic() - started)
        on_built(built)
        done.append(built)
    return done


def _pull(upstream: str, tag: str, report: Report) -> None:
    """Pull a published image if the engine lacks it, and give it our tag."""
    if not docker.has_image(upstream):
        report(f"pulling {upstream}")
        docker.docker("pull", "--quiet", upstream)
    docker.docker("tag", upstream, tag)


def _build(image: Image, arguments: dict[str, str], extra_labels: dict[str, str], report: Report) -> None:
    report(f"building {image.tag}")
    docker.build(
        context(image.name, report),
        image.tag,
        dockerfile=paths.REPOSITORY / image.dockerfile,
        arguments={**arguments, "VERSION": image.tag.rpartition(":")[2]},
        labels=extra_labels,
        report=report,
    )


def _built(image: Image, before: str | None, seconds: float) -> Built:
    identity = docker.image_id(image.tag)
    size = int(docker.docker("image", "inspect", "--format", "{{.Size}}", image.tag))
    return Built(image, identity, size, identity != before, seconds)


def context(name: str, report: Report) -> Path:
    """Return the build context: the repository, or the folder with Ollama or with the weights.

    Raises:
        MissingError: Ollama cannot be built here, or the weights are not installed.
        LocalError: the build of Ollama failed.
    """
    if name == "ollama":
        return ollama_build.ensure(report).parent
    if name == "whisper-tiny.en":
        return models.whisper_weights()
    return paths.REPOSITORY


def _id_or_none(tag: str) -> str | None:
    try:
        return docker.image_id(tag)
    except LocalError:
        return None
