"""The real Ollama on this machine: find it, run it with a model folder of its own, give it the small model."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from speechlocal import microarchitecture, models, paths
from speechlocal.children import Program, base_environment, free_port, running
from speechlocal.errors import ChildError, MissingError, UsageError
from speechlocal.stack import LOOPBACK, OllamaModel, address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VERSION = "0.17.4"
ASK_TIMEOUT_S = 10.0
ADVICE = "run `python -m speechlocal prepare`: it builds Ollama from its Go module, once, in some five minutes"


def built() -> Path:
    """Return where `prepare` puts the program, whether or not it is there; it runs on processors as this one."""
    return paths.cache() / "-".join(filter(None, ("ollama", VERSION, microarchitecture.level()))) / "ollama"


def find() -> Path | None:
    """Return the Ollama that `prepare` built, or one on PATH that is at least as new, or None."""
    if built().is_file():
        return built()
    on_path = shutil.which("ollama")
    if on_path and version_of(on_path) >= _numbers(VERSION):
        return Path(on_path)
    return None


def version_of(program: str) -> tuple[int, ...]:
    """Return what `ollama --version` says, as numbers; empty when it says nothing of the kind."""
    said = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=ASK_TIMEOUT_S)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return _numbers(found[0]) if found else ()


@contextlib.asynccontextmanager
async def serving(models_folder: Path, *, environment: dict[str, str] | None = None) -> AsyncIterator[str]:
    """Run `ollama serve` on a free port with its models in `models_folder` and yield its address (http://host:port).

    Args:
        models_folder: OLLAMA_MODELS; created when missing, kept on leaving.
        environment: further settings of Ollama, for example `{"OLLAMA_NOPRUNE": "1"}`.

    Raises:
        MissingError: there is no Ollama on this machine.
        ChildError: it did not start.
    """
    program = find()
    if program is None:
        raise MissingError(f"there is no Ollama {VERSION} or newer on this machine", ADVICE)
    port = free_port()
    server = Program(
        name="ollama",
        command=(str(program), "serve"),
        ready_url=f"{address(port)}/api/version",
        environment={"OLLAMA_HOST": f"{LOOPBACK}:{port}", "OLLAMA_MODELS": str(models_folder), **(environment or {})},
        advice=ADVICE,
    )
    async with running([server]):
        yield address(port)


async def create_small_model(url: str, name: str = models.LLM_NAME) -> OllamaModel:
    """Give the Ollama at `url` SmolLM2 under `name`, from the weights on this machine.

    It answers as the model of `speechlocal llm` does: the same each time, and not without end.
    Raises ChildError when Ollama refuses.
    """
    program = find()
    if program is None:
        raise MissingError(f"there is no Ollama {VERSION} or newer on this machine", ADVICE)
    modelfile = (
        f"FROM {models.llm_weights()}\nPARAMETER temperature 0\nPARAMETER num_predict {models.LONGEST_ANSWER_TOKENS}\n"
    )
    creating = await asyncio.create_subprocess_exec(
        program,
        *("create", name, "--file", "/dev/stdin"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**base_environment(), "OLLAMA_HOST": url},
    )
    said, _ = await creating.communicate(modelfile.encode())
    if creating.returncode:
        raise ChildError(f"`ollama create {name}` failed: {said.decode(errors='replace').strip()[-500:]}")
    return OllamaModel(url, name)


async def choose_model(url: str, wanted: str = "") -> OllamaModel:
    """Return the model `wanted` of the Ollama at `url`, or its first one.

    Raises:
        UsageError: nothing answers there, it has no model, or not that one.
    """
    url = url.rstrip("/")
    try:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.get(f"{url}/api/tags", timeout=aiohttp.ClientTimeout(ASK_TIMEOUT_S)) as answer,
        ):
            names = [str(model["name"]) for model in (await answer.json())["models"]]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"no Ollama answers on OLLAMA_URL={url}: {getattr(error, 'strerror', error) or type(error).__name__}",
            "start it (`ollama serve`), or unset OLLAMA_URL to use the small model that comes with the demo",
        ) from error
    if not names:
        raise UsageError(f"the Ollama on {url} has no model yet", "`ollama pull llama3.2:1b`, for instance")
    if not wanted:
        return OllamaModel(url, names[0])
    for name in (wanted, f"{wanted}:latest"):
        if name in names:
            return OllamaModel(url, name)
    raise UsageError(f"the Ollama on {url} has no model {wanted}", f"pull it, or choose one of {', '.join(names)}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
