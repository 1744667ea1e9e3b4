"""What a SpeechPipeline says of itself, read with kubectl: its parts, its models, its conditions, as they change."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from pathlib import Path

PARTS = ("whisper", "ollama", "bridge")
READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Part:
    """How far one part is: replicas that are ready, of those wanted ("1/2"), and why not all."""

    name: str
    summary: str
    reason: str


@dataclass(frozen=True)
class ModelProgress:
    """How far one model is; bytes are 0 and `eta_s` None while unknown."""

    name: str
    stage: str
    completed: int
    total: int
    eta_s: float | None
    message: str


@dataclass(frozen=True)
class Condition:
    """One condition, such as `WhisperAvailable`."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class State:
    """A pipeline's status at one moment; `current` tells whether it is about the spec as it stands now."""

    name: str
    current: bool
    url: str
    parts: tuple[Part, ...]
    models: tuple[ModelProgress, ...]
    conditions: tuple[Condition, ...]

    @property
    def ready(self) -> bool:
        """Whether the pipeline answers requests."""
        return self.current and any(one.type == "Ready" and one.status == "True" for one in self.conditions)

    @property
    def troubles(self) -> tuple[Condition, ...]:
        """The conditions that tell what is still missing; `Ready`, which sums them up, only when it stands alone."""
        missing = [one for one in self.conditions if one.status != "True" and one.type != "Progressing"]
        return tuple(one for one in missing if one.type != "Ready") or tuple(missing)


def state(pipeline: Mapping[str, Any]) -> State:
    """Return what the API's object says."""
    status = pipeline.get("status") or {}
    return State(
        name=pipeline["metadata"]["name"],
        current=status.get("observedGeneration") == pipeline["metadata"].get("generation"),
        url=status.get("url", ""),
        parts=tuple(
            Part(name, part.get("summary", ""), part.get("replicasReason", ""))
            for name in PARTS
            if (part := status.get(name)) is not None
        ),
        models=tuple(
            ModelProgress(
                model["name"],
                model.get("stage", ""),
                model.get("completedBytes", 0),
                model.get("totalBytes", 0),
                model.get("etaSeconds"),
                model.get("message", ""),
            )
            for model in status.get("models", ())
        ),
        conditions=tuple(
            Condition(one["type"], one["status"], one.get("reason", ""), one.get("message", ""))
            for one in status.get("conditions", ())
        ),
    )


async def watch(kubectl: Sequence[str | Path], namespace: str, name: str) -> AsyncGenerator[State]:
    """Yield the pipeline's state now and after each change, until the caller has seen enough.

    Args:
        kubectl: the program, with the options that lead to the cluster.
        namespace: the pipeline's.
        name: its name; it must be there.

    Raises:
        LocalError: kubectl failed, in its own words.
    """
    command = [*map(str, kubectl), "-n", namespace, "get", "speechpipeline", name, "--watch", "-o", "json"]
    while True:  # the API server ends a watch after some minutes
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async for found in _objects(process.stdout):
                yield state(found)
            _, errors = await process.communicate()
            if process.returncode:
                raise LocalError(f"kubectl get speechpipeline {name} --watch: {errors.decode().strip()}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _objects(output: asyncio.StreamReader | None) -> AsyncIterator[dict[str, Any]]:
    """Yield the JSON objects that stand one after another in a program's output, as they come."""
    assert output is not None  # noqa: S101 - for the type: the output was asked for
    decoder, text, rest = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")(), ""
    while chunk := await output.read(READ_BYTES):
        rest = (rest + text.decode(chunk)).lstrip()
        while rest:
            try:
                found, end = decoder.raw_decode(rest)
            except json.JSONDecodeError:  # the rest of it is still to come
                break
            yield found
            rest = rest[end:].lstrip()
