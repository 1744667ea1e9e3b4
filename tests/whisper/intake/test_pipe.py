from __future__ import annotations

import asyncio

import pytest

from speechwhisper.intake.pipe import BytePipe, PipeBrokenError
from whisper.conftest import eventually

pytestmark = pytest.mark.unit


async def test_bytes_come_out_as_they_went_in() -> None:
    pipe = BytePipe(asyncio.get_running_loop())
    await pipe.write(b"abc")
    await pipe.write(b"defg")
    pipe.end()

    read = [await asyncio.to_thread(pipe.read, 2) for _ in range(5)]

    assert read == [b"ab", b"c", b"de", b"fg", b""]


async def test_a_reader_waits_for_the_writer() -> None:
    pipe = BytePipe(asyncio.get_running_loop())
    reading = asyncio.create_task(asyncio.to_thread(pipe.read))

    await pipe.write(b"late")

    assert await reading == b"late"


async def test_a_writer_waits_while_the_pipe_is_full() -> None:
    pipe = BytePipe(asyncio.get_running_loop(), capacity=4)
    await pipe.write(b"full")
    writing = asyncio.create_task(pipe.write(b"more"))
    await asyncio.wait([writing], timeout=0.05)
    assert not writing.done()

    assert await asyncio.to_thread(pipe.read) == b"full"

    assert await writing
    assert await asyncio.to_thread(pipe.read) == b"more"


async def test_a_reader_that_leaves_frees_the_writer() -> None:
    pipe = BytePipe(asyncio.get_running_loop(), capacity=1)
    await pipe.write(b"full")
    writing = asyncio.create_task(pipe.write(b"more"))
    await asyncio.sleep(0)

    await asyncio.to_thread(pipe.abandon)

    assert await writing is False
    assert await pipe.write(b"even more") is False


@pytest.mark.parametrize("ended", [False, True])
async def test_a_writer_that_breaks_off_frees_the_reader(*, ended: bool) -> None:
    pipe = BytePipe(asyncio.get_running_loop())
    if ended:
        pipe.end()

    pipe.break_off()

    with pytest.raises(PipeBrokenError):
        await asyncio.to_thread(pipe.read)


async def test_a_cancelled_writer_leaves_the_pipe_usable() -> None:
    pipe = BytePipe(asyncio.get_running_loop(), capacity=1)
    await pipe.write(b"full")
    writing = asyncio.create_task(pipe.write(b"gone"))
    await asyncio.sleep(0)
    writing.cancel()
    await eventually(writing.done)

    assert await asyncio.to_thread(pipe.read) == b"full"
    assert await pipe.write(b"next")
