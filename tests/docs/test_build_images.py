"""The page about building the images names every one that the chart may run."""

import pytest

from generator import chart_metadata
from repository import ROOT
from speechlocal.images import catalog

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "how-to" / "build-images.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("image", [one["image"] for one in chart_metadata.images(catalog.project_version())])
def test_every_image_of_the_chart_is_on_the_page(image: str) -> None:
    """`images.registry` is prepended to all of them, those of other projects too."""
    assert f"`{image}`" in PAGE or f" {image} " in PAGE or f" {image};" in PAGE
