"""The diagrams: well-formed, within their frame, in colours that the site defines."""

import re
import xml.etree.ElementTree as ET

import pytest

from generator.diagrams import DIAGRAMS
from generator.site.figures import inlined
from repository import ROOT

pytestmark = pytest.mark.unit

SVG = "{http://www.w3.org/2000/svg}"
CHARACTER_PX = 7.4
"""Mean width of a character at 14 px, rather more than less."""


@pytest.mark.parametrize("name", DIAGRAMS)
def test_text_is_within_the_frame(name: str) -> None:
    drawing = ET.fromstring(DIAGRAMS[name]())  # noqa: S314 - ours
    width, height = int(drawing.attrib["width"]), int(drawing.attrib["height"])

    for text in drawing.iter(f"{SVG}text"):
        x, y, length = float(text.attrib["x"]), float(text.attrib["y"]), len(text.text or "") * CHARACTER_PX
        left = x - {"start": 0, "middle": length / 2, "end": length}[text.attrib["text-anchor"]]
        assert left >= 0, text.text
        assert left + length <= width, text.text
        assert 0 < y <= height, text.text


@pytest.mark.parametrize("scheme", ["default", "slate"])
def test_the_site_has_each_colour_in_light_and_dark(scheme: str) -> None:
    style = (ROOT / "docs" / "stylesheets" / "extra.css").read_text()
    (rules,) = re.findall(rf'\[data-md-color-scheme="{scheme}"\] \.diagram {{(.*?)}}', style, re.DOTALL)
    used = {name for draw in DIAGRAMS.values() for name in re.findall(r"var\((--d-[\w-]+)\)", draw())}

    assert used
    assert set(re.findall(r"(--d-[\w-]+):", rules)) == used


def test_the_site_has_diagrams_in_its_pages() -> None:
    html = '<p><img alt="The loop" src="../images/diagrams/scaling.svg" /></p>'

    assert "<svg" in inlined(html, ROOT / "docs", "explanation/scaling.html")


def test_other_pictures_stay() -> None:
    html = '<p><img alt="A panel" src="../images/panel.svg" /></p>'

    assert inlined(html, ROOT / "docs", "how-to/monitor.html") == html
