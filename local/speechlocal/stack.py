"""The whole service on this machine: Whisper, a language model and the bridge, as child processes on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import models
from speechlocal.children import READY_WITHIN_S, Program, Running, free_port, running
from speechlocal.loopback import HOST, address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


@dataclass(frozen=True)
class OllamaModel:
    """A model of an existing Ollama: `url` is the address of Ollama (http://host:11434), `name` that of the model."""

    url: str
    name: str


@dataclass(frozen=True)
class Stack:
    """A running service; addresses have no trailing slash."""

    url: str
    whisper_url: str
    llm_url: str
    model: str
    processes: Running


@dataclass(frozen=True)
class Plan:
    """What to start, and at which addresses."""

    url: str
    whisper_url: str
    llm_url: str
    model: str
    programs: tuple[Program, ...]


def plan(*, port: int = 0, ollama: OllamaModel | None = None) -> Plan:
    """Choose ports and programs.

    Args:
        port: of the bridge; 0 for a free one.
        ollama: the language model; by default a small one is started here.

    Raises:
        MissingError: the weights are not installed.
    """
    bridge_port, whisper_port, llm_port = port or free_port(), free_port(), free_port()
    whisper_url = address(whisper_port)
    llm_url = ollama.url if ollama else address(llm_port)
    model = ollama.name if ollama else models.LLM_NAME
    programs = [whisper_program(whisper_port)]
    if ollama is None:
        programs.append(llm_program(llm_port))
    programs.append(
        bridge_program(bridge_port, whisper_url, llm_url, model, generator="ollama" if ollama else "openai"),
    )
    return Plan(address(bridge_port), whisper_url, llm_url, model, tuple(programs))


@contextlib.asynccontextmanager
async def started(
    plan: Plan,
    *,
    on_ready: Callable[[Program, float], None] = lambda _program, _seconds: None,
    within_s: float = READY_WITHIN_S,
) -> AsyncIterator[Stack]:
    """Run a plan: enter when all programs are ready, stop them on leaving. Raise ChildError as `children.running`."""
    async with running(plan.programs, on_ready=on_ready, within_s=within_s) as processes:
        yield Stack(plan.url, plan.whisper_url, plan.llm_url, plan.model, processes)


@contextlib.contextmanager
def started_sync(plan: Plan) -> Iterator[Stack]:
    """Run a plan like `started`, for code outside an event loop, such as a session-scoped pytest fixture."""
    with asyncio.Runner() as loop:
        stack = started(plan)
        entered = loop.run(stack.__aenter__())
        try:
            yield entered
        finally:
            loop.run(stack.__aexit__(None, None, None))


def whisper_program(port: int) -> Program:
    """Return speechwhisper with tiny.en on the CPU."""
    return Program(
        name="whisper",
        detail=f"{models.WHISPER_NAME}, int8",
        command=module("speechwhisper"),
        ready_url=f"{address(port)}/readyz",
        environment={
            "WHISPER_MODEL": str(models.whisper_weights()),
            "WHISPER_MODEL_NAME": models.WHISPER_NAME,
            "WHISPER_DEVICE": "cpu",
            "WHISPER_COMPUTE_TYPE": "int8",
            "SERVER_HOST": HOST,
            "SERVER_PORT": str(port),
        },
        advice="`python -m speechwhisper --help` lists its settings; `make clean demo` reinstalls everything",
    )


def llm_program(port: int) -> Program:
    """Return llama.cpp's server with SmolLM2."""
    return Program(
        name="llm",
        detail=models.LLM_NAME,
        command=(*module("speechlocal"), "llm", "--port", str(port)),
        ready_url=f"{address(port)}/health",
        advice="`python -m speechlocal llm --port 0` runs it alone; `make clean demo` reinstalls everything",
    )


def bridge_program(port: int, whisper_url: str, llm_url: str, model: str, *, generator: str) -> Program:
    """Return speechbridge in front of both; `generator` is the protocol of the model at `llm_url`."""
    return Program(
        name="bridge",
        detail=address(port),
        command=module("speechbridge"),
        ready_url=f"{address(port)}/readyz",
        environment={
            "WHISPER_URL": whisper_url,
            "OLLAMA_URL": llm_url,
            "TRANSCRIBER": "openai",
            "WHISPER_MODEL_ALIASES": models.WHISPER_NAME,
            "GENERATOR": generator,
            "MODELS": model,
            "SERVER_HOST": HOST,
            "SERVER_PORT": str(port),
        },
        advice="`python -m speechbridge --help` lists its settings; the last log line shows what it is waiting for",
    )


def module(name: str) -> tuple[str, ...]:
    """Return the command that runs one of this project's packages."""
    return (sys.executable, "-m", name)
