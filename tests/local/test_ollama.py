"""Finding an Ollama and choosing among its models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from speechcli.errors import UsageError
from speechlocal import ollama

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit


def fake_program(folder: Path, says: str) -> Path:
    program = folder / "ollama"
    program.write_text(f"#!/bin/sh\necho '{says}'\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return tmp_path


def test_one_on_path_that_is_new_enough_is_used(empty_cache: Path) -> None:
    program = fake_program(empty_cache, "ollama version is 0.18.0")

    assert ollama.find() == program


@pytest.mark.parametrize("says", ["ollama version is 0.9.6", "Warning: could not connect", ""])
def test_an_older_or_unknown_version_is_not(empty_cache: Path, says: str) -> None:
    fake_program(empty_cache, says)

    assert ollama.find() is None


def test_the_cached_one_is_preferred(empty_cache: Path) -> None:
    fake_program(empty_cache, "ollama version is 99.0.0")
    ollama.built().parent.mkdir(parents=True)
    ollama.built().touch()

    assert ollama.find() == ollama.built()


async def choose(wanted: str, *names: str) -> str:
    async def tags(_: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": name} for name in names]})

    app = web.Application()
    app.router.add_get("/api/tags", tags)
    async with TestServer(app) as server:
        return (await ollama.choose_model(f"{server.make_url('/')}", wanted)).name


async def test_the_first_model_is_the_default() -> None:
    assert await choose("", "smollm2:135m", "llama3:latest") == "smollm2:135m"


async def test_a_name_without_tag_means_the_latest() -> None:
    assert await choose("llama3", "smollm2:135m", "llama3:latest") == "llama3:latest"


async def test_a_missing_model_is_rejected_with_the_available_ones() -> None:
    with pytest.raises(UsageError, match="has no model qwen3") as refused:
        await choose("qwen3", "smollm2:135m")
    assert "smollm2:135m" in refused.value.advice


async def test_an_ollama_without_models_says_how_to_get_one() -> None:
    with pytest.raises(UsageError, match="no models yet"):
        await choose("")
