"""Whether a JSON value has a shape: types and keys, never words. Shapes are written as they would be read aloud."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NUMBER = (int, float)


class Exactly:
    """This very value, or one of these, where a client decides by it."""

    def __init__(self, *values: Any) -> None:
        self.values = values


@dataclass(frozen=True)
class Maybe:
    """A key that may be missing; where it is there, its value has this shape."""

    shape: Any


def assert_shape(value: Any, shape: Any) -> None:
    """A dict's keys are all named, unless it has `...: ...`; a list `[shape]` has at least one item, all of it."""
    faults = list(_faults(value, shape, "$"))
    assert not faults, "\n".join([*faults, f"in {json.dumps(value)[:2000]}"])


def _faults(value: Any, shape: Any, where: str) -> Iterator[str]:
    match shape:
        case Exactly():
            if value not in shape.values:
                yield f"{where} is {value!r}, not {' or '.join(map(repr, shape.values))}"
        case None:
            if value is not None:
                yield f"{where} is {value!r}, not null"
        case dict() if isinstance(value, dict):
            yield from _faults_of_object(value, shape, where)
        case [item] if isinstance(value, list):
            yield from _faults_of_list(value, item, where)
        case _ if not _is_a(value, shape):
            yield f"{where} is {type(value).__name__}, not {shape}"


def _is_a(value: Any, shape: Any) -> bool:
    """JSON's true is no number, though Python's is."""
    if not isinstance(shape, type | tuple):
        return False
    return isinstance(value, shape) and (shape is bool or not isinstance(value, bool))


def _faults_of_list(value: list[Any], item: Any, where: str) -> Iterator[str]:
    if not value:
        yield f"{where} is empty"
    for index, one in enumerate(value):
        yield from _faults(one, item, f"{where}[{index}]")


def _faults_of_object(value: dict[str, Any], shape: dict[Any, Any], where: str) -> Iterator[str]:
    for key, wanted in shape.items():
        if key is ...:
            continue
        if key in value:
            yield from _faults(value[key], wanted.shape if isinstance(wanted, Maybe) else wanted, f"{where}.{key}")
        elif not isinstance(wanted, Maybe):
            yield f"{where} has no {key!r}"
    if ... not in shape:
        yield from (f"{where} has {key!r}, which the shape does not name" for key in value.keys() - shape.keys())
