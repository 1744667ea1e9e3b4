"""Rules that a value must keep: each is written once, and holds here and, as CEL, in the API server.

The API server refuses what breaks a rule; where an older definition let it through, the same message comes from here.
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
    """What an object must keep.

    Args:
        cel: Is true where the rule holds; `self` is the object. https://kubernetes.io/docs/reference/using-api/cel/
        holds: The same in Python, of the model. None where it is about a change, which only the API server sees.
        message: What is wrong and what to do, or a function of the model that says so.
        cel_message: The CEL expression of that function.
    """

    cel: str
    holds: Callable[[Any], bool] | None
    message: str | Callable[[Any], str]
    cel_message: str = ""

    def check(self, model: object) -> None:
        """Raise ValueError with the message where the model breaks the rule."""
        if self.holds is not None and not self.holds(model):
            raise ValueError(self.message if isinstance(self.message, str) else self.message(model))

    def validation(self) -> dict[str, str]:
        """Return the entry of `x-kubernetes-validations`."""
        said = {"message": self.message} if isinstance(self.message, str) else {"messageExpression": self.cel_message}
        return {"rule": " ".join(self.cel.split()), **said}


@dataclass(frozen=True, slots=True)
class Text:
    """What a text must look like.

    Args:
        pattern: Matches the whole text; of the syntax that RE2 and Python's `re` share.
        message: What is right, with an example.
        longest: Characters at most.
        more: Further CEL that must hold; evaluated only where the pattern matches.
        holds: The same in Python.
    """

    pattern: str
    message: str
    longest: int = 253
    more: str = ""
    holds: Callable[[str], bool] | None = None

    def check(self, text: str) -> str:
        """Return the text.

        Raises:
            ValueError: the text is too long or does not look so.
        """
        if len(text) > self.longest:
            raise ValueError(f"may not be more than {self.longest} characters long")
        if not re.fullmatch(self.pattern, text, re.ASCII) or (self.holds and not self.holds(text)):
            raise ValueError(self.message)
        return text

    def cel(self, which: str = "self") -> str:
        """Return the CEL expression that is true of a text that looks so.

        Args:
            which: The text, as a CEL expression; `more` is about `self` alone.
        """
        quoted = self.pattern.replace("\\", "\\\\").replace("'", "\\'")
        return f"{which}.matches('^({quoted})$')" + (f" && {self.more}" if self.more else "")

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return handler(schema) | {
            "maxLength": self.longest,
            "x-kubernetes-validations": [{"rule": self.cel(), "message": self.message}],
        }


@dataclass(frozen=True, slots=True)
class Keyed:
    """A list of objects of which no two have the same `name`: a map, for server-side apply.

    Args:
        rules: What the list must keep beside.
    """

    rules: tuple[Rule, ...] = ()

    def check(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return the list.

        Raises:
            ValueError: a name is there twice, or a rule is broken.
        """
        names = [item.name for item in items]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"duplicate value: {twice}")
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
