"""Our own Whisper server says that its disk is full: a file read out of order needs a copy there."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO

import pytest
from aiohttp import ClientSession, FormData

from contract.conftest import or_missing
from fakes.speech_whisper import FakeSpeechWhisper
from speechlocal import stack
from speechlocal.children import free_port, running

INDEX_LAST = b"\0\0\0\x18ftypM4A " + bytes(12) + b"\x00\x40\0\0mdat" + bytes(2 * 2**20)
"""The beginning of an MP4."""


@pytest.fixture(
    params=[pytest.param("fake", marks=pytest.mark.unit), pytest.param("real", marks=pytest.mark.component)]
)
async def full_whisper(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """None of the real one's files can grow beyond a mebibyte: EFBIG, as a full disk is ENOSPC."""
    if request.param == "fake":
        async with FakeSpeechWhisper() as fake:
            fake.disk_full = True
            yield fake.url
        return
    port = free_port()
    with or_missing("Whisper server"):
        program = stack.whisper_program(port)
    limited = replace(program, command=["prlimit", f"--fsize={2**20}", *program.command])
    async with running([limited]):
        yield stack.address(port)


def form(stream: str) -> FormData:
    made = FormData({"stream": stream})
    made.add_field("file", BytesIO(INDEX_LAST), filename="a.m4a")
    return made


async def test_a_file_that_needs_a_copy_is_refused_with_a_code_of_its_own(
    full_whisper: str, http: ClientSession
) -> None:
    async with http.post(f"{full_whisper}/v1/audio/transcriptions", data=form("false")) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "no_space")
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_stream_says_so_in_an_event(full_whisper: str, http: ClientSession) -> None:
    async with http.post(f"{full_whisper}/v1/audio/transcriptions", data=form("true")) as answer:
        assert answer.status == 200
        event = json.loads((await answer.text()).removeprefix("data: "))

    assert (event["type"], event["error"]["code"]) == ("error", "no_space")
