"""Ollama on this machine: find it, run it with its own model folder, create the small model in it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from speechcli.errors import UsageError
from speechlocal import loopback, microarchitecture, models, paths, versions
from speechlocal.children import Program, base_environment, free_port, running
from speechlocal.errors import ChildError, MissingError
from speechlocal.loopback import address
from speechlocal.stack import OllamaModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ASK_TIMEOUT_S = 10.0
MISSING = f"no Ollama {versions.OLLAMA} or newer on this machine"
ADVICE = "run `python -m speechlocal prepare`, which builds Ollama from its Go module once, in about five minutes"


def built() -> Path:
    """Return where the cache keeps the Ollama built here, whether or not it exists; it is built for this processor."""
    return paths.cache() / "-".join(filter(None, ("ollama", versions.OLLAMA, microarchitecture.level()))) / "ollama"


def find() -> Path | None:
    """Return the Ollama that was built here, or one on PATH that is at least as new, or None."""
    if built().is_file():
        return built()
    on_path = shutil.which("ollama")
    if on_path and version_of(on_path) >= _numbers(versions.OLLAMA):
        return Path(on_path)
    return None


def version_of(program: str) -> tuple[int, ...]:
    """Return the version that `ollama --version` prints, as numbers; empty if it prints none."""
    done = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=ASK_TIMEOUT_S)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return _numbers(found[0]) if found else ()


@contextlib.asynccontextmanager
async def serving(models_folder: Path, *, environment: dict[str, str] | None = None) -> AsyncIterator[str]:
    """Run `ollama serve` on a free port with its models in `models_folder`, and yield its address (http://host:port).

    Args:
        models_folder: OLLAMA_MODELS; created if missing, kept on leaving.
        environment: further settings of Ollama, for example `{"OLLAMA_NOPRUNE": "1"}`.

    Raises:
        MissingError: there is no Ollama on this machine.
        ChildError: it did not start.
    """
    program = find()
    if program is None:
        raise MissingError(MISSING, ADVICE)
    port = free_port()
    server = Program(
        name="ollama",
        command=(str(program), "serve"),
        ready_url=f"{address(port)}/api/version",
        environment={
            "OLLAMA_HOST": f"{loopback.HOST}:{port}",
            "OLLAMA_MODELS": str(models_folder),
            **(environment or {}),
        },
        advice=ADVICE,
    )
    async with running([server]):
        yield address(port)


async def create_small_model(url: str, name: str = models.LLM_NAME) -> OllamaModel:
    """Create SmolLM2 in the Ollama at `url` under `name`, from the weights on this machine.

    Its answers are deterministic and bounded, as those of `speechlocal llm`. Raise ChildError if Ollama fails.
    """
    program = find()
    if program is None:
        raise MissingError(MISSING, ADVICE)
    modelfile = (
        f"FROM {models.llm_weights()}\nPARAMETER temperature 0\nPARAMETER num_predict {models.MAX_ANSWER_TOKENS}\n"
    )
    creating = await asyncio.create_subprocess_exec(
        program,
        *("create", name, "--file", "/dev/stdin"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**base_environment(), "OLLAMA_HOST": url},
    )
    output, _ = await creating.communicate(modelfile.encode())
    if creating.returncode:
        raise ChildError(f"`ollama create {name}` failed: {output.decode(errors='replace').strip()[-500:]}")
    return OllamaModel(url, name)


async def choose_model(url: str, wanted: str = "") -> OllamaModel:
    """Return the model `wanted` of the Ollama at `url`, by default its first one.

    Raises:
        UsageError: Ollama does not answer, has no models, or not that one.
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
            "start it (`ollama serve`), or unset OLLAMA_URL to use the small model of the demo",
        ) from error
    if not names:
        raise UsageError(f"the Ollama at {url} has no models yet", "pull one, such as `ollama pull llama3.2:1b`")
    if not wanted:
        return OllamaModel(url, names[0])
    for name in (wanted, f"{wanted}:latest"):
        if name in names:
            return OllamaModel(url, name)
    raise UsageError(f"the Ollama at {url} has no model {wanted}", f"pull it, or use one of {', '.join(names)}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
