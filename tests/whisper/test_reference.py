"""docs/reference/whisper-server.md says what the code does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from speechwhisper import errors
from speechwhisper.app import build
from speechwhisper.settings import Settings
from whisper.scripted import ScriptedDecoder

if TYPE_CHECKING:
    from aiohttp import web

pytestmark = pytest.mark.unit

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "whisper-server.md").read_text()
ERRORS = (REFERENCE / "whisper-errors.md").read_text()


@pytest.fixture
def app() -> web.Application:
    return build(Settings(), ScriptedDecoder())


def test_every_setting_is_there_with_its_default_and_meaning() -> None:
    for name, field in Settings.model_fields.items():
        assert isinstance(field.json_schema_extra, dict)
        value = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        default = f"{value} {field.json_schema_extra['unit']}".strip()
        shown = f"`{default}`" if default else "empty"
        assert field.description
        description = field.description[0].upper() + field.description[1:]
        assert f"| `{name.upper()}` | {shown} | {description} |" in PAGE


def test_every_route_is_there(app: web.Application) -> None:
    for route in app.router.routes():
        if route.method != "HEAD" and route.resource is not None:
            assert f"`{route.method} {route.resource.canonical}`" in PAGE


def test_every_code_is_there_with_its_status() -> None:
    for code, (status, title) in errors.PROBLEMS.items():
        assert f"| `{code}` | {status} | {title} |" in ERRORS
