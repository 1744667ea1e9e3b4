"""Base of all models of the custom resource: camelCase on the wire, frozen, with validation rules."""

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
    """An object within the custom resource."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules across fields of the object."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: object) -> object:
        """Treat null as unset, as the API server does where a field has a default."""
        return (
            {key: value for key, value in given.items() if value is not None} if isinstance(given, Mapping) else given
        )

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
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
        """Return whether any of the fields was set, even to its default: CEL's `has()`."""
        return not self.model_fields_set.isdisjoint(names)

    def manifest(self) -> dict[str, Any]:
        """Return the fields that were set as JSON with camelCase names, to be copied into a manifest."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


_MAPS = frozenset({"requests", "limits", "nodeSelector", "podAnnotations", "annotations"})


def format_validation_error(error: ValidationError) -> str:
    """Return all errors on one line, each with the path of the field as the user writes it."""
    return "; ".join(f"{_path(one['loc'])}: {_message(one)}" for one in error.errors())


def _path(location: tuple[str | int, ...]) -> str:
    """Format a path like the API server: `spec.ollama.models[0].name`, `spec.bridge.resources.limits[cpu]`."""
    path = ""
    for parent, key in zip(("", *location), location, strict=False):
        path += f"[{key}]" if isinstance(key, int) or parent in _MAPS else f".{key}"
    return path.removeprefix(".") or "object"


def _message(error: Any) -> str:
    if error["type"] == "missing":
        return "is required"
    if error["type"] == "extra_forbidden":
        return "unknown field"
    if error["type"] == "too_long":
        return f"must have at most {error['ctx']['max_length']} items"
    message: str = error["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:] if error["type"] != "value_error" else message
