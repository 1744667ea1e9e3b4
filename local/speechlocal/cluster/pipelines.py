"""The state of a SpeechPipeline as it changes, from `kubectl get --watch`."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
from typing import TYPE_CHECKING, Any

from speechcli.pipeline import State, state
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

READ_BYTES = 64 * 1024


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
