"""The status of a SpeechPipeline as kubectl reports it: components, models and conditions, as they change."""

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

COMPONENTS = ("whisper", "ollama", "bridge")
READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Component:
    """The progress of one component: ready replicas of those wanted ("1/2"), and why some are not ready."""

    name: str
    summary: str
    reason: str


@dataclass(frozen=True)
class ModelProgress:
    """The progress of one model; bytes are 0 and `eta_s` is None while unknown."""

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
    """A pipeline's status at one moment; `current` is whether it describes the current spec."""

    name: str
    current: bool
    url: str
    components: tuple[Component, ...]
    models: tuple[ModelProgress, ...]
    conditions: tuple[Condition, ...]

    @property
    def ready(self) -> bool:
        """Whether the pipeline answers requests."""
        return self.current and any(one.type == "Ready" and one.status == "True" for one in self.conditions)

    @property
    def verified(self) -> Condition | None:
        """What the canary request measured; None if it has not succeeded."""
        return next((one for one in self.conditions if one.type == "Verified" and one.status == "True"), None)

    @property
    def unmet(self) -> tuple[Condition, ...]:
        """The conditions that are not met yet; `Ready`, which sums up the others, only if it is the only one."""
        unmet = [one for one in self.conditions if one.status != "True" and one.type != "Progressing"]
        return tuple(one for one in unmet if one.type != "Ready") or tuple(unmet)


def state(pipeline: Mapping[str, Any]) -> State:
    """Return the state of a SpeechPipeline from the API's object."""
    status = pipeline.get("status") or {}
    return State(
        name=pipeline["metadata"]["name"],
        current=status.get("observedGeneration") == pipeline["metadata"].get("generation"),
        url=status.get("url", ""),
        components=tuple(
            Component(name, component.get("summary", ""), component.get("replicasReason", ""))
            for name in COMPONENTS
            if (component := status.get(name)) is not None
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
            for model in (*_weights(status), *status.get("models", ()))
        ),
        conditions=tuple(
            Condition(one["type"], one["status"], one.get("reason", ""), one.get("message", ""))
            for one in status.get("conditions", ())
        ),
    )


def _weights(status: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the download of Whisper's weights, which has the members of a model; none if nothing is downloaded."""
    found = (status.get("whisper") or {}).get("model")
    return ({**found, "name": f"Whisper {found['name']}"},) if found else ()


async def watch(kubectl: Sequence[str | Path], namespace: str, name: str) -> AsyncGenerator[State]:
    """Yield the pipeline's state now and after each change, until the caller stops.

    Args:
        kubectl: the command, with the options for the cluster.
        namespace: the pipeline's.
        name: its name; it must exist.

    Raises:
        LocalError: kubectl failed; the message is its own.
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
    """Yield the JSON objects in a program's output, one after another, as they arrive."""
    assert output is not None  # noqa: S101 - for the type: the output is a pipe
    decoder, text, rest = json.JSONDecoder(), codecs.getincrementaldecoder("utf-8")(), ""
    while chunk := await output.read(READ_BYTES):
        rest = (rest + text.decode(chunk)).lstrip()
        while rest:
            try:
                found, end = decoder.raw_decode(rest)
            except json.JSONDecodeError:  # incomplete
                break
            yield found
            rest = rest[end:].lstrip()
