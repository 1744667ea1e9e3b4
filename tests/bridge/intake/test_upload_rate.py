"""Which upload may occupy a Whisper pod before it is complete, and which is too slow; the test controls time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from bridge.running import WAV
from bridge.wire import BOUNDARY, CLOSING, part
from speechbridge.audio.port import RestartRequired
from speechbridge.errors import Problem
from speechbridge.intake.budget import Budgets, ByteBudget
from speechbridge.intake.form import Form, FormLimits
from speechbridge.intake.spool import BLOCK_BYTES
from speechbridge.intake.upload import Upload, UploadRules

if TYPE_CHECKING:
    from speechbridge.intake.body import Body

pytestmark = pytest.mark.unit

RULES = UploadRules(
    FormLimits(max_bytes=10_000_000, max_field_bytes=1000),
    start_bytes=1000,
    min_stream_rate=10_000,
    slot_idle_timeout=0.5,
    retry_buffer=5000,
)
OPENING = part("file", WAV[:44], filename="a.wav")[:-2]


class ScriptedBody:
    """Brings chunks, each after so many seconds."""

    stall_timeout = 20.0

    def __init__(self, *chunks: tuple[float, bytes]) -> None:
        self._chunks = list(chunks)
        self.received = 0
        self.waited = 0.0
        self.on_timeout: Callable[[], object] = object

    async def read(self, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - as in the real one
        if not self._chunks:
            return b""
        seconds, data = self._chunks[0]
        if timeout is not None and seconds > timeout:
            self._chunks[0] = (seconds - timeout, data)
            self.waited += timeout
            self.on_timeout()
            raise TimeoutError
        del self._chunks[0]
        self.waited += seconds
        self.received += len(data)
        return data

    @property
    def at_end(self) -> bool:
        return not self._chunks

    @property
    def left(self) -> int:
        return len(self._chunks)


def budgets_of(memory: int = 10_000_000, disk: int = 10_000_000) -> Budgets:
    return Budgets(ByteBudget(memory, "The memory", retry_after=1), ByteBudget(disk, "The disk", retry_after=1))


def upload_of(
    *chunks: tuple[float, bytes], rules: UploadRules = RULES, budgets: Budgets | None = None
) -> tuple[Upload, ScriptedBody]:
    scripted = ScriptedBody((0.0, OPENING), *chunks, (0.0, b"\r\n" + CLOSING))
    body = cast("Body", scripted)
    form = Form(body, f"multipart/form-data; boundary={BOUNDARY}", rules.limits)
    return Upload(form, body, rules, budgets or budgets_of()), scripted


async def read(upload: Upload) -> bytes:
    return b"".join([chunk async for chunk in upload.chunks()])


def pieces(count: int, size: int, seconds: float) -> Sequence[tuple[float, bytes]]:
    return [(seconds, b"x" * size)] * count


async def test_a_fast_upload_may_start_when_enough_has_arrived() -> None:
    upload, body = upload_of(*pieces(20, 500, 0.01))

    await upload.start()
    await upload.buffer_until_ready()

    assert upload.size is None
    assert upload.received >= RULES.start_bytes
    assert body.left > 10
    assert await read(upload) == WAV[:44] + b"x" * 10_000
    assert upload.size == 10_044


async def test_a_slow_upload_must_be_complete() -> None:
    upload, body = upload_of(*pieces(20, 500, 0.1))

    await upload.start()
    await upload.buffer_until_ready()

    assert upload.size == 10_044
    assert body.left == 0
    assert await read(upload) == WAV[:44] + b"x" * 10_000


async def test_an_upload_that_speeds_up_may_start_at_the_minimum_average_rate() -> None:
    upload, body = upload_of((1.0, b"x" * 2000), *pieces(40, 1000, 0.01))

    await upload.start()
    await upload.buffer_until_ready()

    assert upload.size is None
    assert upload.received >= 10_000
    assert 0 < body.left < 35
    assert len(await read(upload)) == 42_044


async def test_an_upload_that_pauses_must_then_be_complete() -> None:
    upload, body = upload_of(*pieces(4, 500, 0.01), (2.0, b"y" * 500), *pieces(10, 500, 0.0))

    await upload.start()
    await upload.buffer_until_ready()
    assert upload.size is None
    with pytest.raises(RestartRequired):
        await read(upload)
    await upload.buffer_until_ready()

    assert body.left == 0
    assert await read(upload) == WAV[:44] + b"x" * 2000 + b"y" * 500 + b"x" * 5000


async def test_a_fast_upload_past_the_retry_buffer_goes_to_disk_for_the_next_pod() -> None:
    budgets = budgets_of()
    upload, _ = upload_of(*pieces(12, 50_000, 0.01), budgets=budgets)

    await upload.start()
    await upload.buffer_until_ready()

    for _ in range(2):
        assert len(await read(upload)) == 44 + 600_000
    assert upload.replayable
    assert budgets.disk.used > 0
    upload.close()
    assert (budgets.memory.used, budgets.disk.used) == (0, 0)


@pytest.mark.parametrize(("used", "replayable"), [(100_000, True), (500_000, False)])
async def test_half_of_the_disk_is_left_to_slow_uploads(*, used: int, replayable: bool) -> None:
    budgets = budgets_of(disk=1_000_000)
    budgets.disk.take(used)
    upload, _ = upload_of(*pieces(8, 50_000, 0.01), budgets=budgets)

    await upload.start()
    await upload.buffer_until_ready()

    assert len(await read(upload)) == 44 + 400_000
    assert upload.replayable == replayable
    upload.close()


async def test_half_of_the_disk_is_left_however_many_callers_have_fast_uploads() -> None:
    whole = budgets_of(disk=4_000_000)
    uploads = [upload_of(*pieces(24, 50_000, 0.01), budgets=whole.of(key))[0] for key in "abc"]

    for upload in uploads:
        await upload.start()
        await upload.buffer_until_ready()
        await read(upload)

    assert 0 < whole.disk.used <= 2_000_000 + BLOCK_BYTES
    for upload in uploads:
        upload.close()


async def test_a_fast_upload_goes_on_without_its_copy_when_the_disk_is_full() -> None:
    budgets = budgets_of(disk=300_000)
    upload, _ = upload_of(*pieces(20, 50_000, 0.01), budgets=budgets)

    await upload.start()
    await upload.buffer_until_ready()

    assert len(await read(upload)) == 44 + 1_000_000
    assert not upload.replayable
    assert (budgets.memory.used, budgets.disk.used) == (0, 0)


async def test_an_upload_that_is_no_longer_buffered_may_pause() -> None:
    """Its pod waits too."""
    upload, _ = upload_of(*pieces(12, 500, 0.01), (2.0, b"y" * 500), budgets=budgets_of(disk=0))

    await upload.start()
    await upload.buffer_until_ready()

    assert len(await read(upload)) == 44 + 6500
    assert not upload.replayable


async def test_an_upload_that_is_no_longer_buffered_may_not_pause_for_long() -> None:
    upload, _ = upload_of(*pieces(12, 500, 0.01), (6.0, b"y" * 500), budgets=budgets_of(disk=0))

    await upload.start()
    await upload.buffer_until_ready()
    with pytest.raises(Problem) as raised:
        await read(upload)

    assert raised.value.code == "upload_stalled"


@pytest.mark.parametrize("meanwhile", [False, True], ids=["before the pause", "during the pause"])
async def test_an_upload_may_pause_once_the_client_has_a_part_of_its_transcript(*, meanwhile: bool) -> None:
    """To send it again would mean to transcribe that part twice."""
    upload, body = upload_of(*pieces(4, 500, 0.01), (2.0, b"y" * 500), *pieces(10, 500, 0.0))
    if meanwhile:
        body.on_timeout = upload.commit

    await upload.start()
    await upload.buffer_until_ready()
    if not meanwhile:
        upload.commit()

    assert len(await read(upload)) == 44 + 7500
    assert not upload.replayable


@pytest.mark.parametrize("read_before", [1, 18], ids=["while the copy is read", "past the copy"])
async def test_the_copy_is_freed_once_the_client_has_a_part_of_its_transcript(read_before: int) -> None:
    budgets = budgets_of()
    upload, _ = upload_of(*pieces(40, 50_000, 0.01), budgets=budgets)
    await upload.start()
    await upload.buffer_until_ready()
    first = upload.chunks()
    for _ in range(15):
        await anext(first)
    again, parts = upload.chunks(), []  # for another pod: the first 700 kB are its copy
    while len(parts) < read_before:
        parts.append(await anext(again))

    upload.commit()
    used = budgets.disk.used
    parts += [chunk async for chunk in again]

    assert b"".join(parts) == WAV[:44] + b"x" * 2_000_000
    assert (used > 0) == (read_before == 1)
    assert (budgets.memory.used, budgets.disk.used) == (0, 0)


async def test_an_upload_that_has_a_transcript_is_known_but_not_kept() -> None:
    budgets = budgets_of()
    upload, _ = upload_of(*pieces(12, 50_000, 0.01), budgets=budgets)
    await upload.start()
    await upload.buffer_until_ready()
    await read(upload)

    upload.discard()

    assert (budgets.memory.used, budgets.disk.used) == (0, 0)
    assert (upload.replayable, upload.whole) == (False, None)
    assert (upload.size, upload.head[:4]) == (600_044, b"RIFF")


async def test_nor_is_it_sent_again_when_it_is_slow() -> None:
    upload, _ = upload_of(*pieces(4, 500, 0.01), *pieces(8, 500, 0.4))

    await upload.start()
    await upload.buffer_until_ready()
    upload.commit()

    assert await read(upload) == WAV[:44] + b"x" * 6000


async def test_an_upload_that_is_slow_when_the_retry_buffer_is_full_moves_to_disk() -> None:
    upload, _ = upload_of(*pieces(4, 500, 0.01), *pieces(8, 500, 0.4))

    await upload.start()
    await upload.buffer_until_ready()
    with pytest.raises(RestartRequired):
        await read(upload)
    await upload.buffer_until_ready()

    assert upload.replayable
    for _ in range(2):
        assert await read(upload) == WAV[:44] + b"x" * 6000


async def test_a_buffered_upload_can_be_read_again_from_its_start() -> None:
    upload, _ = upload_of(*pieces(8, 500, 0.01))

    await upload.start()
    await upload.buffer_until_ready()
    half = upload.chunks()
    for _ in range(3):
        await anext(half)

    assert await read(upload) == WAV[:44] + b"x" * 4000
    assert await read(upload) == WAV[:44] + b"x" * 4000


@pytest.mark.parametrize("memory", [0, 1, 44, 4000, 1_000_000])
async def test_a_slow_upload_is_the_same_wherever_it_is_buffered(memory: int) -> None:
    budgets = budgets_of()
    rules = replace(RULES, retry_buffer=memory, min_stream_rate=100_000)
    chunks: Any = [(1.0, bytes([number]) * 50_000) for number in range(40)]
    upload, _ = upload_of(*chunks, rules=rules, budgets=budgets)

    await upload.start()
    await upload.buffer_until_ready()

    for _ in range(2):
        assert await read(upload) == WAV[:44] + b"".join(data for _, data in chunks)
    upload.close()
    assert (budgets.memory.used, budgets.disk.used) == (0, 0)


async def test_a_short_upload_is_whole_once_all_of_its_form_has_arrived() -> None:
    upload, _ = upload_of((0.0, b"x" * 300), (0.0, b"y" * 300))

    await upload.start()
    assert upload.whole is None
    await upload.buffer_until_ready()

    assert upload.whole is not None
    assert b"".join(upload.whole) == WAV[:44] + b"x" * 300 + b"y" * 300
    upload.close()
    assert upload.whole is None


async def test_a_complete_upload_that_is_not_all_in_memory_is_not_whole() -> None:
    upload, _ = upload_of(*pieces(20, 500, 0.1))

    await upload.start()
    await upload.buffer_until_ready()

    assert upload.complete
    assert upload.whole is None


async def test_an_upload_that_was_streamed_beyond_its_buffer_is_not_whole() -> None:
    upload, _ = upload_of(*pieces(40, 500, 0.01))

    await upload.start()
    await upload.buffer_until_ready()
    await read(upload)

    assert upload.complete
    assert upload.whole is None


async def test_an_upload_for_which_memory_was_short_is_never_sent_out_of_order() -> None:
    budgets = budgets_of(memory=5000, disk=0)
    audio = b"a" * 1200 + b"b" * 500 + b"c" * 500
    upload, _ = upload_of((0.01, audio[:1200]), (0.01, audio[1200:1700]), (0.6, audio[1700:]), budgets=budgets)
    budgets.memory.take(5000)
    await upload.start()
    await upload.buffer_until_ready()
    budgets.memory.give(5000)

    first, *rest = [chunk async for chunk in upload.chunks()]  # no restart, although the sender pauses

    assert WAV[:44] + audio == first + b"".join(rest)
    assert not upload.replayable
