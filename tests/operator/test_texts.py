"""Texts that users read use the words of Kubernetes."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import speechoperator

pytestmark = pytest.mark.unit

PACKAGE = Path(speechoperator.__file__).parent
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
RETIRED = re.compile(
    r"\b(anew|nobody|somebody|for ever|mend|lends?|lent|on its way out|is to go|made again|scaled to nothing|once round"
    r"|looks? after|the least|absent:|in the midst|sees? to|gave back|leads no more|put aside|(is|are) (not )?there"
    r"|may not (?!be more)|claims?|parts?|definition|rights?|elsewhere)\b",
    re.IGNORECASE,
)


def texts(module: Path) -> Iterator[str]:
    """The string literals of a module without its docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    docs = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("folder", ["api", "plan"])
def test_no_message_has_a_retired_word(folder: str) -> None:
    found = [
        f"{module.relative_to(PACKAGE)}: {text}"
        for module in sorted((PACKAGE / folder).rglob("*.py"))
        for text in texts(module)
        if RETIRED.search(text)
    ]

    assert found == []


@pytest.mark.parametrize("page", ["speechpipeline.md", "conditions.md"])
def test_no_generated_page_has_a_retired_word(page: str) -> None:
    lines = (REFERENCE / page).read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if RETIRED.search(line)] == []
