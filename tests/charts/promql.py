"""Which metrics and labels an expression of PromQL reads."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser


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
    """Return what an expression reads; ValueError if it cannot be parsed."""
    metrics: dict[str, frozenset[str]] = {}
    grouped: set[str] = set()
    for node in nodes(promql_parser.parse(expression)):
        if isinstance(node, promql_parser.VectorSelector) and node.name:
            matched = frozenset(matcher.name for matcher in node.matchers.matchers)
            metrics[node.name] = metrics.get(node.name, frozenset()) | matched
        elif isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            grouped |= set(node.modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and node.modifier and node.modifier.matching:
            grouped |= set(node.modifier.matching.labels)
    return Read(metrics, frozenset(grouped))


def matchers(expression: str) -> Iterator[tuple[str, str, str]]:
    """Yield the metric, the label and the value of each matcher; each alternative of a regular expression by itself."""
    for node in nodes(promql_parser.parse(expression)):
        if isinstance(node, promql_parser.VectorSelector):
            for matcher in node.matchers.matchers:
                regex = matcher.op in (promql_parser.MatchOp.Re, promql_parser.MatchOp.NotRe)
                for value in matcher.value.split("|") if regex else [re.escape(matcher.value)]:
                    yield node.name, matcher.name, value


def nodes(expr: Any) -> Iterator[Any]:
    """An expression and all within it."""
    yield expr
    for name in ("lhs", "rhs", "expr", "args", "vector_selector"):
        inner = getattr(expr, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None:
                yield from nodes(one)
