"""Links that leave `docs/`: the files they lead to become pages of the site, under `repository/`.

On GitHub such a link opens the file. The site contains a copy of the same commit instead of the address of a
repository: it works without internet access, and for forks and mirrors too.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

DOCS = "docs"
FOLDER = "repository"
_LINK = re.compile(r"(?<=\]\()(?![a-z][a-z0-9+.-]*:|#|/)(?P<path>[^)#\s]+)(?P<anchor>#[^)\s]*)?(?=\))")
_FENCE = re.compile(r" *(`{3,}|~{3,})")
_CODE = re.compile(r"(`+[^`]+`+)")
_LANGUAGES = {".go": "go", ".mjs": "javascript", ".py": "python", ".sh": "sh", ".yaml": "yaml", ".yml": "yaml"}
_IMAGES = {".png", ".svg", ".jpg", ".webp"}
_UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n\n"


@dataclass(frozen=True)
class Target:
    """A file or folder outside `docs/`: its path in the repository, and that of its page in the site's sources."""

    path: str
    page: str


def origin(page: str) -> str:
    """Return the path in the repository of a page of the site's sources."""
    return page.removeprefix(f"{FOLDER}/") if page.startswith(f"{FOLDER}/") else f"{DOCS}/{page}"


def target(root: Path, path: str) -> Target | None:
    """Return the target of a path in the repository; None if nothing is there, or if it leaves the repository."""
    found = root / path
    if path.startswith("..") or not found.exists():
        return None
    if found.is_dir():
        readme = posixpath.join(path, "README.md")
        if (root / readme).is_file():
            return target(root, readme)
        return Target(path, posixpath.join(FOLDER, path, "index.md"))
    verbatim = found.suffix == ".md" or found.suffix in _IMAGES
    return Target(path, posixpath.join(FOLDER, path if verbatim else f"{path}.md"))


def targets(root: Path, pages: Iterable[str]) -> dict[str, Target]:
    """Return what pages of the repository link to outside `docs/`, directly and through each other, by its path."""
    found: dict[str, Target] = {}
    waiting = list(pages)
    while waiting:
        page = waiting.pop()
        for path in _outside(page, (root / page).read_text(encoding="utf-8")):
            new = target(root, path)
            if new and new.path not in found:
                found[new.path] = new
                if new.path.endswith(".md"):
                    waiting.append(new.path)
    return found


def content(root: Path, one: Target) -> bytes | str:
    """Return the source of a target's page: a page as it is, an image as bytes, code in a block, a folder as a list."""
    file = root / one.path
    if file.is_dir():
        names = sorted(
            f"- `{entry.name}{'/' * entry.is_dir()}`" for entry in file.iterdir() if entry.name[0] not in "._"
        )
        return f"{_UNSEARCHED}# {one.path}\n\n" + "\n".join(names) + "\n"
    if file.suffix in _IMAGES:
        return file.read_bytes()
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return _UNSEARCHED + text
    return f"{_UNSEARCHED}# {one.path}\n\n`````{_LANGUAGES.get(file.suffix, 'text')}\n{text.rstrip()}\n`````\n"


def rewritten(root: Path, page: str, text: str) -> str:
    """Return the Markdown of a page of the site's sources with links as the site needs them."""

    def site_link(found: re.Match[str]) -> str:
        path = _resolved(origin(page), found["path"])
        if path == DOCS or path.startswith(f"{DOCS}/"):
            there: str | None = posixpath.relpath(path, DOCS)
            if (root / path).is_dir():
                there = posixpath.join(str(there), "README.md")
        else:
            outside = target(root, path)
            there = outside.page if outside else None
        if there is None:
            return found[0]
        return posixpath.relpath(there, posixpath.dirname(page) or ".") + (found["anchor"] or "")

    return _outside_code(text, lambda prose: _LINK.sub(site_link, prose))


def _outside(page: str, text: str) -> set[str]:
    """Return the paths outside `docs/` that a page links to."""
    found: set[str] = set()

    def collect(prose: str) -> str:
        found.update(_resolved(page, link["path"]) for link in _LINK.finditer(prose))
        return prose

    _outside_code(text, collect)
    return {path for path in found if path != DOCS and not path.startswith(f"{DOCS}/")}


def _resolved(page: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path))


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change the text between code, which is left as it is."""
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence or found:
            lines.append(line)
            if found:
                fence = "" if found[1] == fence else fence or found[1]
        else:
            pieces = _CODE.split(line)
            lines.append("".join(piece if number % 2 else change(piece) for number, piece in enumerate(pieces)))
    return "\n".join(lines)
