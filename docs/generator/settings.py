"""The pages of the settings, from the settings' models."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from generator.markdown import capital, default, page, table
from speechbridge.settings import Settings as BridgeSettings
from speechoperator.settings import Settings as OperatorSettings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

_BOUNDS = {"Ge": ("ge", "at least"), "Gt": ("gt", "more than"), "Le": ("le", "at most")}


def bridge_page() -> str:
    """Return the page of all settings of the bridge."""
    return _settings("bridge", "speechbridge", BridgeSettings)


def operator_page() -> str:
    """Return the page of all settings of the operator."""
    return _settings("operator", "speechoperator", OperatorSettings)


def _settings(program: str, package: str, model: type[BaseSettings]) -> str:
    rows = [
        (f"`{name.upper()}`", default(field.default), _allowed(field), capital(field.description or ""))
        for name, field in model.model_fields.items()
    ]
    return page(
        f"Settings of the {program}",
        "Environment variables, read once at startup; the program exits with a message if one is invalid.\n"
        f"`python -m {package} --help` lists them too.",
        table(("Variable", "Default", "Values", "Description"), rows),
    )


def _allowed(field: FieldInfo) -> str:
    if field.annotation is bool:
        return "`true`, `false`"
    if options := [option for option in get_args(field.annotation) if isinstance(option, str)]:
        return ", ".join(f"`{option}`" if option else "empty" for option in options)
    bounds = [
        f"{words} {getattr(bound, attribute)}"
        for bound in field.metadata
        for attribute, words in [_BOUNDS.get(type(bound).__name__, ("", ""))]
        if attribute
    ]
    return " and ".join(bounds) or "text"
