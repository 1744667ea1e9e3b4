"""The table of reasons: complete, used, and documented."""

import ast
import re
from pathlib import Path

import pytest

from speechoperator import plan
from speechoperator.api.status import CONDITION_TYPES
from speechoperator.plan.conditions.reasons import FINDINGS, Actor, Kind, Reason

pytestmark = pytest.mark.unit

MODULES = [path for path in Path(plan.__file__).parent.rglob("*.py") if path.name != "reasons.py"]
WORD = re.compile(r"[A-Z][A-Za-z]+")


def reasons_in(module: Path) -> set[str]:
    """The members of Reason that a module refers to; the type checker ensures that verdicts have no other reasons."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"
    }


def test_every_reason_in_the_table_can_occur() -> None:
    used = set[str]().union(*(reasons_in(module) for module in MODULES))

    assert used == {reason.name for reason in Reason}


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.text)
def test_a_reason_is_a_camel_case_word_with_a_meaning(reason: Reason) -> None:
    assert WORD.fullmatch(reason.text)
    assert reason.meaning.endswith(".")


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.text)
def test_a_finding_says_who_must_act_and_how(reason: Reason) -> None:
    is_finding = reason.kind is Kind.FINDING

    assert (reason.text in FINDINGS) == is_finding
    assert (reason.actor in {Actor.OWNER, Actor.ADMIN}) == is_finding
    if is_finding:
        assert reason.action.endswith(".")


def test_findings_rank_before_all_other_reasons() -> None:
    kinds = [reason.kind for reason in sorted(Reason, key=lambda reason: reason.rank)]

    assert kinds == sorted(kinds, key=[Kind.FINDING, Kind.WAITING, Kind.GOOD].index)


def test_reasons_are_unique() -> None:
    assert len({reason.text for reason in Reason}) == len(Reason)


def test_every_condition_type_says_what_true_means() -> None:
    assert all(meaning.endswith(".") for meaning in CONDITION_TYPES.values())
