"""The page of the container images: what each contains, and its size, measured in the container engine.

It cannot be written without the images, so docs/record_images.py writes it and not docs/generate.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.markdown import table
from speechlocal import versions

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOTICE = "<!-- Written by docs/record_images.py from the images in the container engine. -->\n"
_ROW = re.compile(r"^\| `([^`]+)` \| (\d+) \|", re.MULTILINE)
_MEGABYTE = 1_000_000  # as `docker images` counts


@dataclass(frozen=True)
class Measured:
    """An image in the engine.

    Attributes:
        tag: Name and version.
        description: Its label.
        size: Bytes of its file systems, not compressed.
        debian: The number of its Debian packages.
        python: The number of its Python distributions.
    """

    tag: str
    description: str
    size: int
    debian: int
    python: int


def images_page(images: Iterable[Measured]) -> str:
    """Return the page."""
    rows = [
        (f"`{one.tag}`", f"{one.size / _MEGABYTE:.0f}", f"{one.debian}", f"{one.python}", one.description)
        for one in images
    ]
    return "\n".join(
        (
            _NOTICE,
            "# Container images\n",
            _INTRODUCTION,
            table(("Image", "Size in MB", "Debian packages", "Python distributions", "Contents"), rows),
            _LABELS,
        )
    )


def recorded(page: str) -> dict[str, int]:
    """Return the sizes on the page, by tag, in MB."""
    return {tag: int(size) for tag, size in _ROW.findall(page)}


_INTRODUCTION = """\
`make images` builds them. All run as user 10001 without capabilities, on a read-only root file system. Sizes are those
on a node, on x86-64; what a node pulls is compressed, and images share their lower layers.
"""

_LABELS = f"""\
The tests fail if an image becomes 5 % larger than recorded here: a pod starts after its image has been pulled.

## Base

All images are built on `{versions.DEBIAN_IMAGE.partition("@")[0]}`, pinned by the digest of its index.
Packages on top of it are the newest of that Debian release at the time of the build; Python distributions have the
versions in `constraints.txt`. Where no container registry can be reached, the base is made from the Debian archive that
the machine itself uses, and the label `base.name` says so.

## Labels

The names begin with `org.opencontainers.image.`

| Label | Value |
|---|---|
| `title`, `description`, `licenses` | what the image is |
| `version` | the version of the program inside |
| `base.name`, `base.digest` | the image it is built on; for a base that was made on the machine, its id |
| `revision`, `created` | the commit and its time; only with `make images RELEASE=1` |
| `source` | the address of the repository; only with `RELEASE=1`, in a clone with a remote |

## Bills of materials

`make images SBOM=folder` also writes a CycloneDX document for each image: all Debian packages and Python distributions
with their versions and package URLs, for scanners and licence checks. [Release a version](../how-to/release.md)
attaches them to the published images.
"""
