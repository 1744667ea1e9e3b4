"""The page of the container images; tests/e2e/test_images.py compares its sizes with real images."""

import re

import pytest

from generator.images import Measured, images_page, recorded
from repository import ROOT
from speechlocal.images import catalog

pytestmark = pytest.mark.unit

PAGE = ROOT / "docs" / "reference" / "images.md"


def test_the_page_has_the_size_of_every_image() -> None:
    assert list(recorded(PAGE.read_text())) == [image.tag for image in catalog.IMAGES.values()]


def test_the_text_of_the_page_is_current() -> None:
    written = PAGE.read_text()

    assert images_page([]).partition("|\n")[0].splitlines()[:6] == written.splitlines()[:6]
    assert written.endswith(images_page([]).rpartition("---")[2].partition("|\n")[2])


def test_the_contents_are_the_descriptions_of_the_dockerfiles() -> None:
    """The page is written where the images are, so a description that was edited since would not be on it."""
    listed = dict(re.findall(r"^\| `([^`]+)` \|.*\| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE))

    assert listed == {image.tag: described(image.dockerfile) for image in catalog.IMAGES.values()}


def described(dockerfile: str) -> str:
    """The label of an image's last stage."""
    return re.findall(r'image\.description="([^"]+)"', (ROOT / dockerfile).read_text())[-1]


def test_a_size_is_recorded_in_megabytes() -> None:
    page = images_page([Measured("speechpipeline/bridge:0.1.0", "the bridge", 123_400_000, 90, 20)])

    assert recorded(page) == {"speechpipeline/bridge:0.1.0": 123}
