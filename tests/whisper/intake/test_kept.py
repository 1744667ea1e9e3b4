"""An upload is kept as it arrived: in memory if it is short, in a file otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from speechwhisper.errors import Problem
from speechwhisper.intake.kept import Kept
from whisper.conftest import full_disk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.unit

MIB = 1024 * 1024


@pytest.fixture
async def kept() -> AsyncIterator[Kept]:
    one = Kept()
    yield one
    one.close()


async def content(kept: Kept) -> bytes:
    return b"".join([chunk async for chunk in kept.chunks()])


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
async def test_all_bytes_come_out_in_order(kept: Kept, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    written = [data[start : min(start + 65_537, size)] for start in range(0, size, 65_537)]
    for chunk in written:
        await kept.write(chunk)

    assert await content(kept) == data[:size]


async def test_nothing_written_is_nothing_read(kept: Kept) -> None:
    assert await content(kept) == b""


async def test_it_can_be_read_again(kept: Kept) -> None:
    await kept.write(b"abc")
    await kept.write(b"def")

    assert [await content(kept), await content(kept)] == [b"abcdef", b"abcdef"]


async def test_chunks_are_short_whatever_was_written(kept: Kept) -> None:
    await kept.write(bytes(2 * MIB))

    sizes = [len(chunk) async for chunk in kept.chunks()]

    assert sum(sizes) == 2 * MIB
    assert max(sizes) <= 256 * 1024


@pytest.mark.parametrize(("size", "in_file"), [(MIB, False), (MIB + 1, True)])
async def test_only_what_is_long_is_written_to_a_file(kept: Kept, size: int, in_file: bool) -> None:  # noqa: FBT001
    await kept.write(bytes(size))

    assert kept._file._rolled is in_file  # type: ignore[attr-defined]


async def test_a_closed_one_forgets_everything() -> None:
    kept = Kept()
    await kept.write(b"abc")

    kept.close()

    with pytest.raises(ValueError, match="closed"):
        await content(kept)


async def test_a_full_disk_is_no_space_and_says_when_to_retry(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    with full_disk(), pytest.raises(Problem) as raised:
        await kept.write(bytes(2 * MIB))

    assert (raised.value.code, raised.value.status) == ("no_space", 503)
    assert raised.value.retry_after
    assert caplog.messages == ["no disk space for uploads"]
