"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How good or bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNCHECKED = "not checked"


@dataclass(frozen=True)
class Verdict:
    """One finding: the area it is about, how bad it is, what was seen, and the command or change that fixes it."""

    area: str
    level: Level
    message: str
    fix: str = ""


def ok(area: str, message: str) -> Verdict:
    """Return a verdict: as it should be."""
    return Verdict(area, Level.OK, message)


def warning(area: str, message: str, fix: str = "") -> Verdict:
    """Return a verdict: it works, or may work, and should be looked at."""
    return Verdict(area, Level.WARNING, message, fix)


def fault(area: str, message: str, fix: str = "") -> Verdict:
    """Return a verdict: it does not work."""
    return Verdict(area, Level.FAULT, message, fix)


def unchecked(area: str, message: str, fix: str = "") -> Verdict:
    """Return a verdict: it could not be judged, and why."""
    return Verdict(area, Level.UNCHECKED, message, fix)
