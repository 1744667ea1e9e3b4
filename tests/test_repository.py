"""What holds for the tree as a whole."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT, tracked

pytestmark = pytest.mark.unit

LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
REGISTRIES = re.compile(
    r"https?://([a-z0-9-]+\.)*(pypi|pythonhosted|npmjs|crates|golang|maven|debian)\.(org|io|com|net)"
)


def text(path: Path) -> str:
    """The text of a file, which is UTF-8 whatever the locale."""
    return path.read_text(encoding="utf-8", errors="replace")


def test_every_link_in_the_documentation_leads_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in tracked("*.md")
        for target in LINK.findall(text(page))
        if not (page.parent / target).exists()
    ]

    assert not dead


def test_the_folder_operator_does_not_shadow_the_standard_library() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import operator; print(operator.itemgetter)"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )

    assert found.returncode == 0
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_no_address_of_a_package_registry_is_committed() -> None:
    naming = [path.relative_to(ROOT) for path in tracked() if REGISTRIES.search(text(path))]

    assert not naming


def test_every_dependency_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in text(ROOT / "constraints.txt").splitlines() if "==" in line}
    asked = set(re.findall(r'^  "([a-z0-9-]+)[>=]', text(ROOT / "pyproject.toml"), flags=re.MULTILINE))

    assert asked - pinned == set()


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench"])
def test_make_help_lists_the_targets(target: str) -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert f"make {target} " in shown
