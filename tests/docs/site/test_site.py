"""The documentation site, built as by `make docs`: complete, the same as on GitHub, and free of other hosts."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from markdown_it import MarkdownIt

from generator.site import nav
from repository import ROOT, tracked

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

DOCS = ROOT / "docs"
PAGES = sorted(str(path.relative_to(DOCS)) for path in tracked("docs/*.md"))
COUNTED = ("h1", "h2", "h3", "h4", "li", "pre", "table", "tr", "blockquote")
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)#([^)\s]+)\)")
LOADING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Article(HTMLParser):
    """Counts the elements of a page's content, and collects what the page loads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.loaded: list[str] = []
        self._inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._inside |= tag == "article"
        if self._inside:
            self.elements[tag] += 1
        if address := given.get(LOADING.get(tag, "")):
            self.loaded.append(address)

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "article"


def built(site: Path, page: str) -> Path:
    return site / page.replace("README.md", "index.md").replace(".md", ".html")


def on_github(page: str) -> Counter[str]:
    """How often each element occurs in a page as GitHub shows it."""
    html = MarkdownIt("commonmark").enable("table").render((DOCS / page).read_text(encoding="utf-8"))
    return Counter(re.findall(r"<(\w+)", html))


def anchors_on_github(page: Path) -> set[str]:
    """The anchors of a page's headings: lower case, no punctuation, a hyphen for each space, numbered if repeated."""
    prose = re.sub(r"^ *(```+).*?^ *\1$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    found: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        anchors.add(f"{slug}-{found[slug]}" if found[slug] else slug)
        found[slug] += 1
    return anchors


def navigation() -> list[Any]:
    class Loader(yaml.SafeLoader):
        """Reads mkdocs.yml, whose Python objects do not matter here."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    found: list[Any] = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]  # noqa: S506 - a safe loader
    return found


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(nav.pages(nav.expanded(navigation(), DOCS))) == PAGES


def groups_of_the_navigation() -> dict[str, list[str]]:
    """The how-to guides by group; those in none are in the group ''."""
    (guides,) = (one["How-to guides"] for one in navigation() if "How-to guides" in one)
    found: dict[str, list[str]] = {}
    for entry in guides:
        title, listed = next(iter(entry.items())) if isinstance(entry, dict) else ("", [entry])
        found.setdefault(title, []).extend(listed)
    return found


def groups_of_the_landing_page() -> dict[str, list[str]]:
    text = (DOCS / "README.md").read_text().partition("## How-to guides\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\*\*([^*\n]+)\*\*$(.*?)(?=^\*\*|\Z)", text, re.MULTILINE | re.DOTALL)
    return {title: re.findall(r"^- .*?\]\((how-to/[^)]+)\)", listed, re.MULTILINE) for title, listed in found}


def test_every_how_to_guide_is_in_a_group_the_same_as_on_the_landing_page() -> None:
    guides = {page for page in PAGES if page.startswith("how-to/")}

    assert set(nav.pages(list(groups_of_the_landing_page().values()))) == guides
    assert groups_of_the_navigation() == groups_of_the_landing_page()


def test_every_page_is_on_the_landing_page_or_in_an_index_that_is() -> None:
    landing = (DOCS / "README.md").read_text()
    indexes = {folder: (DOCS / folder / "README.md").read_text() for folder in ("decisions", "runbooks")}

    def listed(page: str) -> bool:
        folder, _, name = page.partition("/")
        return page in landing or name in indexes.get(folder, "")

    assert [page for page in PAGES if page != "README.md" and not listed(page)] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_the_structure_that_it_has_on_github(site: Path, page: str) -> None:
    shown = Article(built(site, page).read_text(encoding="utf-8")).elements
    wanted = on_github(page)

    assert {name: shown[name] for name in COUNTED} == {name: wanted[name] for name in COUNTED}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_title(site: Path, page: str) -> None:
    assert Article(built(site, page).read_text(encoding="utf-8")).elements["h1"] == 1


@pytest.mark.parametrize("page", PAGES)
def test_anchors_exist_on_github_too(page: str) -> None:
    here = DOCS / page
    links = LINK.findall(here.read_text(encoding="utf-8"))

    dead = [
        f"{path}#{anchor}"
        for path, anchor in links
        if anchor not in anchors_on_github(here.parent / path if path else here)
    ]

    assert dead == []


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    loaded = {address for path in site.rglob("*.html") for address in Article(path.read_text(encoding="utf-8")).loaded}

    assert loaded
    assert {address for address in loaded if re.match(r"(https?:)?//", address)} == set()


def test_no_script_of_ours_or_style_names_another_host(site: Path) -> None:
    files = [*site.glob("javascripts/*.js"), *site.glob("stylesheets/*.css"), *site.glob("images/**/*.svg")]

    assert files
    assert [file.name for file in files if re.search(r"(src|href|url\()\W*https?:", file.read_text())] == []


def test_files_outside_docs_that_pages_link_to_are_pages_too(site: Path) -> None:
    assert "Threat model" in (site / "repository" / "SECURITY.html").read_text()
    assert "SpeechPipeline" in (site / "repository" / "examples" / "speechpipeline.yaml.html").read_text()
