"""Hooks of MkDocs (https://www.mkdocs.org/user-guide/plugins/#events), named in mkdocs.yml.

They let pages be written for GitHub: its Markdown, links to files outside `docs/`, and pictures that follow the theme.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

from generator.site import breaks, figures, links, markdown, nav

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the pages of the folders in the navigation."""
    config.nav = nav.expanded(config.nav or [], Path(config.docs_dir))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to outside `docs/`."""
    pages = [f"{links.DOCS}/{file.src_uri}" for file in files.documentation_pages()]
    for found in links.targets(ROOT, pages).values():
        files.append(File.generated(config, found.page, content=links.content(ROOT, found)))
    return files


def on_page_markdown(text: str, page: Page, **_: Any) -> str:
    """Change the links that leave `docs/`, and the dialect of Markdown; the landing page has no side bar."""
    if page.is_homepage:
        page.meta["hide"] = ["navigation"]
    return markdown.python_markdown(links.rewritten(ROOT, page.file.src_uri, text))


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Put diagrams into the page, so that they have the colours of its theme, and let long names break."""
    return breaks.breakable(figures.inlined(html, ROOT / links.DOCS, page.file.dest_uri))
