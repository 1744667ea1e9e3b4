"""Where things are in each package: whoever knows one service finds the same things in the others."""

from __future__ import annotations

import ast
from dataclasses import is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.services.programs import BRIDGE, WHISPER, Program
from whisper.scripted import ScriptedDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

pytestmark = pytest.mark.unit

REGISTERING = {"add_get", "add_post", "add_put", "add_delete", "add_route", "add_routes", "add_static", "add_view"}


def modules(program: Program) -> Iterator[tuple[Path, ast.Module]]:
    folder = Path(str(program.module("__init__").__file__)).parent
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def application(program: Program) -> tuple[web.Application, web.AppKey[object]]:
    """The service's application, and its key `SERVICE`."""
    settings = program.settings()
    if program is BRIDGE:
        return program.module("app").create_app(settings), program.module("service").SERVICE
    if program is WHISPER:
        return program.module("app").build(settings, ScriptedDecoder()), program.module("service").SERVICE
    server, metrics = program.module("telemetry.server"), program.module("telemetry.metrics").Metrics()
    return server.create_app(server.Service(metrics, lambda: "")), server.SERVICE


async def test_the_application_carries_one_frozen_dataclass(service: Program) -> None:
    app, key = application(service)

    assert list(app) == [key]
    assert is_dataclass(app[key])
    assert app[key].__dataclass_params__.frozen  # type: ignore[attr-defined]


async def test_every_service_has_the_routes_of_probes_and_metrics(service: Program) -> None:
    app, _ = application(service)

    assert {"/livez", "/readyz", "/metrics"} <= {resource.canonical for resource in app.router.resources()}


def test_routes_are_registered_by_add_routes_alone(service: Program) -> None:
    registering = set()
    for path, tree in modules(service):
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
            names = {call.attr for call in calls if isinstance(call, ast.Attribute) and "router" in ast.dump(call)}
            if names & REGISTERING:
                registering.add((path.name, function.name))

    assert {name for _, name in registering} == {"add_routes"}


def test_every_module_postpones_annotations_and_has_a_docstring(service: Program) -> None:
    for path, tree in modules(service):
        assert ast.get_docstring(tree), path
        if path.name != "__init__.py":
            assert any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body), path


def test_the_same_modules_have_the_same_names(service: Program) -> None:
    logs = service.module("telemetry.logs")

    assert all(
        callable(getattr(logs, name)) for name in ("debug", "info", "warning", "error", "exception", "configure")
    )
    assert service.module("telemetry.metrics").Metrics
    assert service.module("settings").Settings
    assert service.module("__main__").main
    assert service.module("__main__").settings_help
    assert service.module("errors")
