"""Texts that users read use the terms of the field: one list of retired words for all of them.

Texts are the strings of the code without docstrings (errors, conditions, logs, settings, OpenAPI), what the programs
print for `--help`, and whole files where comments are read as well: chart, documentation, examples, images, playground.
CHANGELOG.md and the fragments name what was renamed, so they are not among them.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository import ROOT, tracked
from speechcli.__main__ import COMMANDS as PLUGIN_COMMANDS
from speechlocal.__main__ import COMMANDS

pytestmark = pytest.mark.unit

RETIRED = (
    r"anew|nobody|somebody|for ever|mend(s|ed|ing)?|lends?|lent|on (its|their) way out|(is|are) to go|made again"
    r"|scaled to nothing|once round|look(s|ed|ing)?( only)? after|the least(?! outstanding)|least level|absent:"
    r"|in the midst|sees? to|gave back|leads no more|put aside|(is|are) (not )?there|held against"
    r"|over faster-whisper|rejects requests when busy|least work first|one job (each|per pod)"
)
RETIRED_ON_KUBERNETES = r"may not(?! be more)|(?<!resources\.)claims?|parts?(?! of|-of)|definitions?|rights?|elsewhere"
"""Words for RBAC permissions, PVCs, components and CRDs; elsewhere they have their usual meaning."""

CODE = {
    "bridge": "bridge/speechbridge/*.py",
    "whisper": "whisper/speechwhisper/*.py",
    "operator": "operator/speechoperator/*.py",
    "cli": "cli/speechcli/*.py",
    "local": "local/*.py",
    "benchmarks": "benchmarks/*.py",
    "ci": ".ci/*.py",
}
FILES = {
    "documentation": ["*.md"],
    "chart": ["charts/*"],
    "examples": ["examples/*.yaml", "examples/clients/*"],
    "images": ["*Dockerfile", "docker-compose*.yml", "local/images/*", "local/cluster/*", "local/offline/node/*"],
    "playground": ["bridge/speechbridge/playground/*"],
    "make": ["Makefile", ".ci/run", "pyproject.toml"],
}
SKIPPED = re.compile(r"CHANGELOG\.md|changelog\.d/\+.*|.*\.ogg")
ON_KUBERNETES = [
    "operator/speechoperator/*.py",
    "charts/*",
    "examples/*.yaml",
    "docs/explanation/operator.md",
    "docs/how-to/install-on-kubernetes.md",
    *(f"docs/reference/{page}.md" for page in ("chart-values", "conditions", "speechpipeline", "operator-*")),
]
PROGRAMS = [
    "-m speechbridge",
    "-m speechwhisper",
    *("-m speechoperator", "-m speechoperator run", "-m speechoperator render", "-m speechoperator crd"),
    "-m speechoperator replay",
    "-m speechlocal",
    *(f"-m speechlocal {command}" for command in COMMANDS),
    "-m speechcli",
    *(f"-m speechcli {command}" for command in PLUGIN_COMMANDS),
    "benchmarks/run.py",
]


def retired(text: str, words: str = RETIRED) -> list[str]:
    """The retired words in a text, also across the lines of a comment."""
    pattern = r"\b(" + words.replace(" ", r"[\s#*/]+") + r")(?!\w)"
    return [found[0] for found in re.finditer(pattern, text, flags=re.IGNORECASE)]


def strings(module: Path) -> Iterator[str]:
    """The string literals of a module without its docstrings, an f-string in one piece."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(piece) for piece in node.values}
            yield "".join(piece.value if isinstance(piece, ast.Constant) else "{}" for piece in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


def texts(*patterns: str) -> Iterator[tuple[str, str]]:
    """The texts in the files that match git's patterns, each with the name of its file."""
    names = [str(file.relative_to(ROOT)) for file in tracked(*patterns)]
    assert names, f"no file matches {patterns}"
    for name in names:
        if name.endswith(".py"):
            yield from ((name, text) for text in strings(ROOT / name))
        elif not SKIPPED.fullmatch(name):
            yield name, (ROOT / name).read_text(encoding="utf-8")


def found(*patterns: str, words: str = RETIRED) -> list[str]:
    return [f"{name}: {word} in {text[:200]!r}" for name, text in texts(*patterns) for word in retired(text, words)]


@pytest.mark.parametrize("package", CODE)
def test_no_string_of_the_code_has_a_retired_word(package: str) -> None:
    assert found(CODE[package]) == []


@pytest.mark.parametrize("kind", FILES)
def test_no_file_that_users_read_has_a_retired_word(kind: str) -> None:
    assert found(*FILES[kind]) == []


@pytest.mark.parametrize("pattern", ON_KUBERNETES)
def test_texts_about_kubernetes_use_its_terms(pattern: str) -> None:
    assert found(pattern, words=RETIRED_ON_KUBERNETES) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_help_has_a_retired_word(program: str) -> None:
    shown = subprocess.run(
        [sys.executable, *program.split(), "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout

    assert shown
    assert retired(shown) == []


def test_make_help_has_no_retired_word() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert shown
    assert retired(shown) == []


@pytest.mark.parametrize(
    "text",
    [
        "the operator looks after team",
        "# which the operator looks only\n# after",
        "Whisper is not there",
        "nobody has accepted it",
        "the models are fetched anew",
        "Absent: one replica",
        "Least level that is logged",
        "Speech recognition over faster-whisper",
        "pods (least work first, one job each)",
    ],
)
def test_a_retired_word_is_found(text: str) -> None:
    assert retired(text)


@pytest.mark.parametrize(
    "text", ["it may not delete them", "the claim is unbound", "every part", "makes the definition", "With rights in"]
)
def test_a_word_that_is_retired_on_kubernetes_is_found(text: str) -> None:
    assert retired(text, RETIRED_ON_KUBERNETES)


@pytest.mark.parametrize(
    "text",
    [
        "at least one replica",
        "the least outstanding work",
        "silent, equivalent, recommended, amended",
        "existingClaim: models, PersistentVolumeClaim, CustomResourceDefinition",
        "app.kubernetes.io/part-of: speechpipeline",
        "part of this release, may not be more than 40 characters long",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert retired(text) == []
    assert retired(text, RETIRED_ON_KUBERNETES) == []
