"""The glossary can be searched by eye and by grep."""

import re

import pytest

from repository import ROOT

pytestmark = pytest.mark.unit

PAGE = ROOT / "docs" / "explanation" / "glossary.md"


def test_every_term_has_one_entry_and_they_are_in_alphabetical_order() -> None:
    terms = re.findall(r"^\*\*(.+)\*\*: \S", PAGE.read_text(), flags=re.MULTILINE)

    assert terms == sorted(set(terms), key=str.lower)


def test_everything_on_the_page_is_an_entry() -> None:
    _, _, *entries = PAGE.read_text().rstrip().split("\n\n")

    assert [entry for entry in entries if not re.match(r"\*\*.+\*\*: \S", entry)] == []
