"""Measurements and goals, as tables and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 130  # columns, when the output is not a terminal


@dataclass(frozen=True)
class Figure:
    """One thing measured on each program: name -> value in `unit`."""

    what: str
    unit: str
    values: dict[str, float]


@dataclass(frozen=True)
class Goal:
    """An upper bound (or, `at_least`, a lower one) and what came out; `measured` is None when it was not run."""

    what: str
    bound: float
    unit: str
    measured: float | None
    at_least: bool = False

    @property
    def verdict(self) -> str:
        """`reached`, `NOT reached` or `not run`."""
        if self.measured is None:
            return "not run"
        reached = self.measured >= self.bound if self.at_least else self.measured <= self.bound
        return "reached" if reached else "NOT reached"


@dataclass
class Section:
    """The outcome of one measurement."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def console() -> Console:
    """Where the report goes: the terminal as wide as it is, a file or a pipe as wide as the tables."""
    plain = Console()
    return plain if plain.is_terminal else Console(width=WIDTH)


def print_section(out: Console, section: Section) -> None:
    """Show the figures of a section as one table, a column for each program."""
    out.print(f"\n[bold]{section.title}[/bold]")
    names = list(dict.fromkeys(name for figure in section.figures for name in figure.values))
    table = Table(box=box.MARKDOWN)
    table.add_column("measured")
    table.add_column("unit")
    for name in names:
        table.add_column(name, justify="right")
    for figure in section.figures:
        cells = [shown(figure.values[name]) if name in figure.values else "" for name in names]
        table.add_row(figure.what, figure.unit, *cells)
    out.print(table)
    for note in section.notes:
        out.print(f"  {note}", style="dim")


def print_goals(out: Console, sections: list[Section]) -> None:
    """Show every goal with its verdict."""
    goals = [goal for section in sections for goal in section.goals]
    if not goals:
        return
    out.print("\n[bold]Goals[/bold]")
    table = Table(box=box.MARKDOWN)
    table.add_column("what")
    table.add_column("goal", justify="right")
    table.add_column("measured", justify="right")
    table.add_column("verdict")
    colours = {"reached": "green", "NOT reached": "red", "not run": "yellow"}
    for goal in goals:
        sign = "≥" if goal.at_least else "≤"
        unit = f" {goal.unit}" if goal.unit else ""
        measured = "-" if goal.measured is None else f"{shown(goal.measured)}{unit}"
        verdict = f"[{colours[goal.verdict]}]{goal.verdict}[/]"
        table.add_row(goal.what, f"{sign} {goal.bound:g}{unit}", measured, verdict)
    out.print(table)


def write_json(path: Path, sections: list[Section], about: dict[str, str]) -> None:
    """Write everything, goals with their verdicts, for a machine to read."""
    content = [
        asdict(section) | {"goals": [asdict(goal) | {"verdict": goal.verdict} for goal in section.goals]}
        for section in sections
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": about, "sections": content}, indent=2) + "\n")


def shown(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:  # noqa: PLR2004 (from here on three digits are whole)
        return f"{value:.0f}"
    return f"{value:.3g}"


def ratio(figures: dict[str, float], of: str, to: str) -> float | None:
    """How many times the one program's figure the other's is; None when one of them was not run."""
    if of not in figures or to not in figures:
        return None
    return figures[of] / figures[to]
