"""docs/reference/whisper-server.md says what the code does."""

from pathlib import Path

import pytest
from aiohttp import web

from speechwhisper import errors
from speechwhisper.api.keys import METRICS
from speechwhisper.app import build
from speechwhisper.settings import Settings
from whisper.scripted import ScriptedDecoder

pytestmark = pytest.mark.unit

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "whisper-server.md").read_text()


@pytest.fixture
def app() -> web.Application:
    return build(Settings(), ScriptedDecoder())


def test_every_setting_is_there_with_its_default_and_meaning() -> None:
    for name, field in Settings.model_fields.items():
        assert isinstance(field.json_schema_extra, dict)
        default = f"{field.default} {field.json_schema_extra['unit']}".strip()
        shown = f"`{default}`" if default else "empty"
        assert f"| `{name.upper()}` | {shown} | {field.description} |" in PAGE


def test_every_metric_is_there_with_its_type_and_meaning(app: web.Application) -> None:
    families = list(app[METRICS].registry.collect())

    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` | {family.type} | {family.documentation} |" in PAGE
    assert PAGE.count("| `speechwhisper_") == len(families)


def test_every_route_is_there(app: web.Application) -> None:
    for route in app.router.routes():
        if route.method != "HEAD" and route.resource is not None:
            assert f"`{route.method} {route.resource.canonical}`" in PAGE


def test_every_code_is_there_with_its_status() -> None:
    refusals = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RefusalError) and kind is not errors.RefusalError
    ]

    for refusal in refusals:
        assert f"| `{refusal.code}` | {int(refusal.status)} |" in PAGE
