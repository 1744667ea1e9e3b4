"""Every block of commands in the documentation says which test runs it, or why none does."""

import ast
import re
import subprocess

import pytest

from documentation import CODE, Block, blocks, pages
from repository import ROOT

pytestmark = pytest.mark.unit

ALL = blocks()
TYPED = [block for block in ALL if block.is_typed]
NEED_MARKS = [*TYPED, *(block for block in ALL if block.language in CODE)]
LOOKS_LIKE_A_MARK = re.compile(r"^ *<!--\s*(?:test|not run)\b", re.MULTILINE)
TARGET = re.compile(r"^(?:\w+=\S+ )*make ([a-z-]+)", re.MULTILINE)
FEW_WORDS = 3


def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_block_of_commands_is_marked() -> None:
    assert [block.place for block in NEED_MARKS if not block.mark] == [], "tests/documentation.py explains marks"


def test_a_block_that_is_not_run_has_a_reason() -> None:
    reasons = {block.place: block.mark.reason for block in ALL if block.mark and block.mark.reason}

    assert reasons
    assert [place for place, reason in reasons.items() if len(reason.split()) < FEW_WORDS] == []


def test_every_mark_is_before_a_block() -> None:
    marks = [mark for page in pages() for mark in LOOKS_LIKE_A_MARK.findall(page.read_text(encoding="utf-8"))]

    assert len(marks) == len([block for block in ALL if block.mark])


def test_tests_that_marks_name_exist() -> None:
    named = {block.place: block.mark.test for block in ALL if block.mark and block.mark.test}

    missing = []
    for place, test in named.items():
        file, _, name = test.partition("::")
        if not (ROOT / file).is_file() or name not in functions_of(file):
            missing.append(place)
    assert named
    assert missing == []


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    named = {block.place: set(TARGET.findall(block.commands)) for block in TYPED}

    assert any(named.values())
    assert {place: unknown for place, found in named.items() if (unknown := found - targets)} == {}


@pytest.mark.parametrize("block", TYPED, ids=lambda block: block.place)
def test_commands_are_valid_for_bash(block: Block) -> None:
    """Including those that no test runs."""
    checked = subprocess.run(["bash", "-n"], input=block.commands, check=False, capture_output=True, text=True)

    assert (checked.returncode, checked.stderr) == (0, "")
