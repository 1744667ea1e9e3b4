"""What all models of the custom resource have in common: camelCase on the wire, frozen, rules, faults in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from speechoperator.api.rules import Rule

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema


class Model(BaseModel):
    """An object of the custom resource."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What the object must keep."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: object) -> object:
        """A null says nothing, as for the API server where the field has a default."""
        return (
            {key: value for key, value in given.items() if value is not None} if isinstance(given, Mapping) else given
        )

    @model_validator(mode="after")
    def _keeps_rules(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            described["x-kubernetes-validations"] = [rule.validation() for rule in cls.rules]
        return described

    def has(self, *names: str) -> bool:
        """Tell whether any of the fields was given, be it with its default: CEL's `has()`."""
        return not self.model_fields_set.isdisjoint(names)

    def manifest(self) -> dict[str, Any]:
        """Return what was given as JSON with the names of the wire, for the objects that take it over unchanged."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


_MAPS = frozenset({"requests", "limits", "nodeSelector", "podAnnotations", "annotations"})


def format_validation_error(error: ValidationError) -> str:
    """Return all faults of an object in one line, each with its path as the user writes it."""
    return "; ".join(f"{_path(fault['loc'])}: {_message(fault)}" for fault in error.errors())


def _path(location: tuple[str | int, ...]) -> str:
    """Write a path as the API server does: `spec.ollama.models[0].name`, `spec.bridge.resources.limits[cpu]`."""
    path = ""
    for before, part in zip(("", *location), location, strict=False):
        path += f"[{part}]" if isinstance(part, int) or before in _MAPS else f".{part}"
    return path.removeprefix(".") or "object"


def _message(fault: Any) -> str:
    if fault["type"] == "missing":
        return "is required"
    if fault["type"] == "extra_forbidden":
        return "there is no such field"
    if fault["type"] == "too_long":
        return f"must have at most {fault['ctx']['max_length']} items"
    message: str = fault["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:] if fault["type"] != "value_error" else message
