"""The navigation of the site."""

from pathlib import Path

import pytest

from generator.site import nav

pytestmark = pytest.mark.unit


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    for name in ("how-to/a.md", "how-to/b.md", "how-to/c.md", "how-to/c.lua"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_stands_for_its_other_pages(docs: Path) -> None:
    listed = [{"How-to": [{"First": ["how-to/b.md"]}, "how-to/"]}]

    assert nav.expanded(listed, docs) == [{"How-to": [{"First": ["how-to/b.md"]}, "how-to/a.md", "how-to/c.md"]}]


def test_titles_are_kept(docs: Path) -> None:
    assert nav.expanded([{"Home": "README.md"}], docs) == [{"Home": "README.md"}]
