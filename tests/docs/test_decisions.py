"""Every decision has a number, a date, a status and what was rejected; the index lists them all."""

import datetime as dt
import re
from pathlib import Path

import pytest

from repository import ROOT

pytestmark = pytest.mark.unit

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
HEAD = re.compile(r"# (\d{4})\. (.+)\n\n- Date: (\S+)\n- Status: (.+)\n\n## ")
STATUS = re.compile(r"proposed|accepted|superseded by (\d{4})")
SECTIONS = ["Context", "Decision", "Rejected alternatives", "Consequences"]
ITEM = re.compile(r"^- (.+(?:\n  .+)*)", re.MULTILINE)
ROW = re.compile(r"^\| \[(\d{4})\]\((.+)\) \| (.+) \| (\S+) \| (.+) \|$", re.MULTILINE)


def head(record: Path) -> tuple[str, str, str, str]:
    """Number, title, date and status."""
    found = HEAD.match(record.read_text())
    assert found, "begin it as the template in docs/decisions/README.md does"
    number, title, date, status = found.groups()
    return number, title, date, status


def sections(record: Path) -> dict[str, str]:
    parts = re.split(r"^## (.+)\n", record.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_numbers_have_no_gap() -> None:
    assert [path.name[:5] for path in RECORDS] == [f"{number:04d}-" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name[:4])
def test_a_decision_has_number_date_and_status(record: Path) -> None:
    number, _, date, status = head(record)

    assert record.name.startswith(f"{number}-")
    assert dt.date.fromisoformat(date).isoformat() == date
    found = STATUS.fullmatch(status)
    assert found
    assert found[1] is None or int(number) < int(found[1]) <= len(RECORDS), "a later decision supersedes it"


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name[:4])
def test_a_decision_says_why_and_what_was_rejected(record: Path) -> None:
    said = sections(record)

    assert list(said) == SECTIONS
    assert all(text.strip() for text in said.values())
    rejected = ITEM.findall(said["Rejected alternatives"])
    assert rejected
    assert [item for item in rejected if ": " not in item] == [], "say why not, after a colon"


def test_the_index_lists_every_decision_as_it_is() -> None:
    listed = ROW.findall((FOLDER / "README.md").read_text())

    wanted = []
    for record in RECORDS:
        number, title, date, status = head(record)
        wanted.append((number, record.name, title, date, status))
    assert listed == wanted
