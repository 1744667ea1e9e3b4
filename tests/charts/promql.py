"""Which metrics and labels an expression of PromQL reads, by its tokens: enough to find a name that does not exist."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
TOKEN = re.compile(
    rf'(?P<text>"(?:\\.|[^"\\])*")|(?P<window>\[[^]]*\])|(?P<number>\d[\d.]*(?:e[+-]?\d+)?)|(?P<name>{NAME})|\S'
)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan", *GROUPING}


@dataclass(frozen=True)
class Read:
    """What an expression reads.

    Attributes:
        metrics: Each metric with the labels that its selectors match on.
        grouped: The labels that results are grouped or matched by.
    """

    metrics: dict[str, frozenset[str]]
    grouped: frozenset[str]


def read(expression: str) -> Read:
    """Return what an expression without comments reads."""
    tokens = [(found.lastgroup, found[0]) for found in TOKEN.finditer(expression)]
    metrics: dict[str, frozenset[str]] = {}
    grouped: set[str] = set()
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if kind != "name":
            continue
        if text in GROUPING and following == "(":
            grouped |= set(names_until(tokens, at, ")"))
            at = end(tokens, at, ")")
        elif text not in WORDS and following not in {"(", "by", "without"}:
            matched = frozenset(names_until(tokens, at, "}")) if following == "{" else frozenset()
            metrics[text] = metrics.get(text, frozenset()) | matched
            at = end(tokens, at, "}") if following == "{" else at
    return Read(metrics, frozenset(grouped))


def names_until(tokens: list[tuple[str | None, str]], at: int, mark: str) -> Iterator[str]:
    return (text for kind, text in tokens[at : end(tokens, at, mark)] if kind == "name")


def end(tokens: list[tuple[str | None, str]], at: int, mark: str) -> int:
    return next(index for index in range(at, len(tokens)) if tokens[index][1] == mark)
