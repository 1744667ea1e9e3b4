"""Validation rules, each written once for Python and, as CEL, for the API server.

The API server rejects objects that break a rule. Objects admitted under an older CRD are checked in Python, with the
same message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import core_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule about an object.

    Args:
        cel: CEL expression that is true where the rule holds; `self` is the object.
            https://kubernetes.io/docs/reference/using-api/cel/
        holds: The same as a Python predicate on the model. None for rules about changes, which only the API server
            can check.
        message: What is wrong and how to fix it, or a function of the model that returns this.
        cel_message: CEL expression equivalent to that function.
    """

    cel: str
    holds: Callable[[Any], bool] | None
    message: str | Callable[[Any], str]
    cel_message: str = ""

    def check(self, model: object) -> None:
        """Raise ValueError with the message if the model breaks the rule."""
        if self.holds is not None and not self.holds(model):
            raise ValueError(self.message if isinstance(self.message, str) else self.message(model))

    def validation(self) -> dict[str, str]:
        """Return the entry of `x-kubernetes-validations`."""
        message = (
            {"message": self.message} if isinstance(self.message, str) else {"messageExpression": self.cel_message}
        )
        return {"rule": " ".join(self.cel.split()), **message}


@dataclass(frozen=True, slots=True)
class TextRule:
    """A rule about a string.

    Args:
        pattern: Regular expression for the whole string, in the syntax common to RE2 and Python's `re`.
        message: What is valid, with an example.
        max_length: Maximum length in characters.
        extra_cel: Further CEL condition; evaluated only if the pattern matches.
        holds: The same condition as a Python predicate.
    """

    pattern: str
    message: str
    max_length: int = 253
    extra_cel: str = ""
    holds: Callable[[str], bool] | None = None

    def check(self, text: str) -> str:
        """Return the string unchanged.

        Raises:
            ValueError: the string is too long or breaks the rule.
        """
        if len(text) > self.max_length:
            raise ValueError(f"may not be more than {self.max_length} characters long")
        if not re.fullmatch(self.pattern, text, re.ASCII) or (self.holds and not self.holds(text)):
            raise ValueError(self.message)
        return text

    def cel(self, which: str = "self") -> str:
        """Return the CEL expression that is true for valid strings.

        Args:
            which: CEL expression of the string to match. `extra_cel` always refers to `self`.
        """
        quoted = self.pattern.replace("\\", "\\\\").replace("'", "\\'")
        return f"{which}.matches('^({quoted})$')" + (f" && {self.extra_cel}" if self.extra_cel else "")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {
            "maxLength": self.max_length,
            "x-kubernetes-validations": [{"rule": self.cel(), "message": self.message}],
        }


@dataclass(frozen=True, slots=True)
class MapList:
    """A list of objects with unique `name`s, merged by name in server-side apply.

    Args:
        rules: Further rules about the list.
    """

    rules: tuple[Rule, ...] = ()

    def check(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return the list.

        Raises:
            ValueError: two items have the same name, or the list breaks a rule.
        """
        names = [item.name for item in items]
        if duplicate := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"duplicate value: {duplicate}")
        for rule in self.rules:
            rule.check(items)
        return items

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema) | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
        if self.rules:
            described["x-kubernetes-validations"] = [rule.validation() for rule in self.rules]
        return described
