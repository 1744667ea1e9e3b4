"""Links that leave `docs/` lead to pages of the site."""

from pathlib import Path

import pytest

from generator.site import links

pytestmark = pytest.mark.unit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "docs/how-to/use.md": "# Use",
        "docs/README.md": "# Documentation",
        "SECURITY.md": "# Security\n\nSee [use](docs/how-to/use.md) and [the client](examples/client.py).\n",
        "examples/client.py": "print()\n",
        "examples/data/one.wav": "",
        "secret.txt": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def rewritten(root: Path, text: str, page: str = "how-to/other.md") -> str:
    return links.rewritten(root, page, text)


def test_a_link_within_docs_stays(root: Path) -> None:
    assert rewritten(root, "[use](use.md#how)") == "[use](use.md#how)"


def test_a_page_outside_is_in_the_folder_repository(root: Path) -> None:
    assert rewritten(root, "[s](../../SECURITY.md#model)") == "[s](../repository/SECURITY.md#model)"


def test_a_source_file_outside_is_a_page(root: Path) -> None:
    assert rewritten(root, "[c](../../examples/client.py)") == "[c](../repository/examples/client.py.md)"


def test_a_folder_outside_is_a_page_that_lists_it(root: Path) -> None:
    assert rewritten(root, "[d](../../examples)") == "[d](../repository/examples/index.md)"
    found = links.content(root, links.Target("examples", "repository/examples/index.md"))
    assert isinstance(found, str)
    assert "- `client.py`\n- `data/`" in found


def test_links_of_a_page_outside_lead_back(root: Path) -> None:
    shown = rewritten(root, (root / "SECURITY.md").read_text(), "repository/SECURITY.md")

    assert "[use](../how-to/use.md)" in shown
    assert "[the client](examples/client.py.md)" in shown


@pytest.mark.parametrize(
    "link", ["[a](https://example.com/b.md)", "[a](#here)", "[a](mailto:a@example.com)", "[a](/b.md)"]
)
def test_addresses_and_anchors_stay(root: Path, link: str) -> None:
    assert rewritten(root, link) == link


@pytest.mark.parametrize("link", ["[a](../../missing.md)", "[a](../../../elsewhere.md)"])
def test_dead_links_stay_for_mkdocs_to_report(root: Path, link: str) -> None:
    assert rewritten(root, link) == link


def test_code_is_not_changed(root: Path) -> None:
    source = "`[a](../../SECURITY.md)`\n\n```\n[a](../../SECURITY.md)\n```\n"

    assert rewritten(root, source) == source


def test_what_pages_link_to_is_found_through_other_pages(root: Path) -> None:
    (root / "docs/how-to/use.md").write_text("[s](../../SECURITY.md)")

    assert set(links.targets(root, ["docs/how-to/use.md"])) == {"SECURITY.md", "examples/client.py"}


def test_pages_outside_are_not_searched(root: Path) -> None:
    found = links.content(root, links.Target("SECURITY.md", "repository/SECURITY.md"))

    assert isinstance(found, str)
    assert found.startswith("---\nsearch:\n  exclude: true\n---\n\n# Security")
