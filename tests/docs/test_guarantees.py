"""The page about guarantees: each has tests that exist, in the tier that the page says."""

import ast
import re

import pytest

from repository import ROOT

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "explanation" / "guarantees.md").read_text(encoding="utf-8")
PROOF = re.compile(r"^\| (\d+) \| (\w+) \| `(tests/[\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
PROMISES, _, PROOFS = PAGE.partition("## Proofs")
TIER = re.compile(r"pytest\.mark\.(unit|component|cluster|e2e)\b")


def tiers(file: str, name: str) -> set[str]:
    """The tiers that a test is marked with, by itself or by its module; empty if there is no such test."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    found = next((node for node in functions if node.name == name), None)
    if found is None:
        return set()
    module = [
        node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    return {tier for node in (*module, *found.decorator_list) for tier in TIER.findall(ast.unparse(node))}


def test_guarantees_are_numbered() -> None:
    numbers = re.findall(r"^\| (\d+) \|", PROMISES, re.MULTILINE)

    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]


def test_each_guarantee_has_a_proof() -> None:
    promised = set(re.findall(r"^\| (\d+) \|", PROMISES, re.MULTILINE))

    assert promised == {number for number, *_ in PROOF.findall(PROOFS)}


def test_every_row_of_the_proofs_names_a_test() -> None:
    rows = re.findall(r"^\| \d+ \|.*$", PROOFS, re.MULTILINE)

    assert [row for row in rows if not PROOF.fullmatch(row)] == []


@pytest.mark.parametrize(("number", "tier", "file", "name"), PROOF.findall(PROOFS))
def test_the_test_exists_in_its_tier(number: str, tier: str, file: str, name: str) -> None:
    assert tiers(file, name) == {tier}, f"proof of guarantee {number}"
