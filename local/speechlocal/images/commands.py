"""`python -m speechlocal images`: build the images, and load them into a cluster."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.text import Text

from speechlocal import debian
from speechlocal.containers import docker, engine
from speechlocal.images import building, catalog, nodes
from speechlocal.terminal import PLAIN_PROGRESS_EVERY_S, reporter

if TYPE_CHECKING:
    import argparse

    from speechlocal.images.building import Built

WIDEST_TAG = max(len(image.tag) for image in catalog.IMAGES.values())
MEGABYTE = 1_000_000  # as `docker images` counts
LONG_S = 10.0
NARROWEST = 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    names = ", ".join(catalog.IMAGES)
    default = ", ".join(image.name for image in catalog.chosen([]))
    only = f"images to build, of {names} (default: {default})"
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help=only)
    parser.add_argument("--load", default="", metavar="CLUSTER", help="also load them into this kind cluster")
    parser.add_argument(
        "--release", action="store_true", help="label them with the current commit; all must be committed"
    )
    parser.add_argument(
        "--sbom", type=Path, metavar="FOLDER", help="also write the bill of materials of each image into a folder"
    )


def run(arguments: argparse.Namespace) -> int:
    """Build the images, load them if requested, and print the next step."""
    console = Console(highlight=False, file=sys.stdout)
    report = reporter(console, "images")
    with engine.held(report):
        debian.ensure(building.packages(arguments.only), report)
        announce(console, arguments.only)
        started = time.monotonic()
        with Progress(console) as progress:
            make(arguments, progress)
    console.print(f"images: ready after {time.monotonic() - started:.0f} s", soft_wrap=True)
    if not arguments.load:
        console.print("images: next: `make cluster`, or docs/how-to/run-with-docker-compose.md", soft_wrap=True)
    return 0


def make(arguments: argparse.Namespace, progress: Progress) -> None:
    """Build the images; copy them to a cluster and write their bills of materials if requested."""
    done = building.build(arguments.only, progress.report, progress.built, release=arguments.release)
    if arguments.load:
        began = time.monotonic()
        copied = nodes.load(arguments.load, [built.tag for built in done], progress.report)
        seconds = time.monotonic() - began
        progress.line(f"copied {len(copied)} of {len(done)} to cluster {arguments.load} in {seconds:.0f} s")
    if arguments.sbom:
        from speechlocal.images import sbom  # noqa: PLC0415 - its libraries are needed only here

        for path in sbom.write(done, arguments.sbom):
            progress.line(f"wrote {path}")


def announce(console: Console, names: list[str]) -> None:
    """Print which images are built for the first time, and how long that takes."""
    new = [image for image in catalog.chosen(names) if not docker.has_image(image.tag)]
    if new:
        seconds = sum(image.seconds for image in new)
        listed = ", ".join(image.name for image in new)
        console.print(f"images: building for the first time: {listed}; about {seconds} s on two cores", soft_wrap=True)


class Progress:
    """The progress of a build: on a terminal its latest line beside a spinner, otherwise a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("") if console.is_terminal else None
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def report(self, text: str) -> None:
        """Show what is being done."""
        if self._status:
            self._status.update(Text(text[: max(NARROWEST, self._console.width - 4)]))
        elif time.monotonic() - self._last_line > PLAIN_PROGRESS_EVERY_S:
            self.line(text)

    def built(self, built: Built) -> None:
        """Print an image's tag and size, and whether it changed."""
        how = f"built in {built.seconds:.0f} s" if built.changed or built.seconds > LONG_S else "unchanged"
        self.line(f"{built.tag:{WIDEST_TAG}}  {built.size / MEGABYTE:4.0f} MB  {how}")

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._last_line = time.monotonic()
        self._console.print(f"images: {text}", soft_wrap=True, markup=False)
