"""The report of the doctor: a line for each verdict, the fix below it, and what it comes to."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.text import Text

from speechcli.doctor.verdicts import Level
from speechcli.terminal import INDENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from speechcli.doctor.verdicts import Verdict

MARKS = {
    Level.OK: ("✓", "green"),
    Level.WARNING: ("!", "yellow"),
    Level.FAULT: ("✗", "red"),
    Level.UNCHECKED: ("?", "dim"),
}
NAMED = {Level.FAULT: "fault", Level.WARNING: "warning", Level.UNCHECKED: "check not possible"}
PLURALS = {Level.FAULT: "faults", Level.WARNING: "warnings", Level.UNCHECKED: "checks not possible"}


def show(console: Console, verdicts: Sequence[Verdict], *, quiet: bool = False) -> None:
    """Print the verdicts by area; with `quiet` without those that are ok."""
    shown = [one for one in verdicts if not quiet or one.level is not Level.OK]
    width = max((len(one.area) for one in shown), default=0)
    for one in shown:
        mark, style = MARKS[one.level]
        line = Text.assemble((mark, style), f" {one.area:{width}}  ", (_message(one), style if _is_wrong(one) else ""))
        console.print(line, soft_wrap=True)
        if one.fix:
            console.print(Text(f"{INDENT}{'':{width}}  -> {one.fix}", "cyan"), soft_wrap=True)
    console.print(Text(summary(verdicts), "bold"), soft_wrap=True)


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return what the verdicts come to: "1 fault, 2 warnings; 14 checks are ok"."""
    counts = Counter(one.level for one in verdicts)
    wrong = [f"{counts[level]} {(NAMED if counts[level] == 1 else PLURALS)[level]}" for level in NAMED if counts[level]]
    good = f"{counts[Level.OK]} ok"
    return f"{', '.join(wrong)}, {good}" if wrong else f"nothing is wrong: {good}"


def as_json(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the verdicts as JSON values."""
    return {
        "verdicts": [
            {"area": one.area, "level": one.level.value, "message": one.message, "fix": one.fix} for one in verdicts
        ]
    }


def _message(one: Verdict) -> str:
    return f"not checked: {one.message}" if one.level is Level.UNCHECKED else one.message


def _is_wrong(one: Verdict) -> bool:
    return one.level in {Level.FAULT, Level.WARNING}
