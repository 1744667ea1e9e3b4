"""What all requests hold together stays within its budgets, and is given back."""

import asyncio
import gzip
import json
import resource
import tempfile
import tracemalloc
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.running import WAV, Bridge, StartBridge
from bridge.wire import Connection, exchange, head, multipart, part
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.errors import Problem
from speechbridge.intake.budget import Budgets, ByteBudget
from speechbridge.intake.json_request import read_object
from speechbridge.intake.spool import Spool
from speechbridge.intake.upload import Upload

if TYPE_CHECKING:
    from speechbridge.intake.body import Body

pytestmark = pytest.mark.unit

KIB, MIB = 2**10, 2**20


def budget(limit: int) -> ByteBudget:
    return ByteBudget(limit, "The memory for requests", retry_after=5)


@given(
    limit=st.integers(0, 3000),
    kept=st.integers(0, 3000),
    uploads=st.lists(st.lists(st.binary(max_size=600), max_size=8), max_size=4),
)
def test_spools_hold_no_more_than_the_budget_and_lose_no_byte(
    limit: int, kept: int, uploads: list[list[bytes]]
) -> None:
    budgets = Budgets(budget(limit), budget(10**6))

    async def main() -> None:
        spools = [Spool(kept, budgets) for _ in uploads]
        for spool, chunks in zip(spools, uploads, strict=True):
            for chunk in chunks:
                await spool.add(chunk)
            assert budgets.memory.used <= limit
        for spool, chunks in zip(spools, uploads, strict=True):
            rest = [chunk async for chunk in spool.overflow()]
            assert b"".join((*spool.in_memory, *rest)) == b"".join(chunks)
        assert budgets.memory.used == sum(len(b"".join(spool.in_memory)) for spool in spools)
        for spool in spools:
            spool.close()

    asyncio.run(main())
    assert (budgets.memory.used, budgets.disk.used) == (0, 0)


async def test_chunks_stay_in_order_when_the_budget_has_room_again() -> None:
    budgets = Budgets(budget(1000), budget(1000))
    spool = Spool(1000, budgets)
    budgets.memory.take(1000)
    await spool.add(b"first")
    budgets.memory.give(1000)

    assert not spool.add_to_memory([b"second"])
    await spool.add(b"second")

    assert spool.in_memory == ()
    assert b"".join([chunk async for chunk in spool.overflow()]) == b"firstsecond"


async def test_tiny_chunks_are_joined() -> None:
    """Each of them as an object would take twenty times its size."""
    spool = Spool(256 * KIB, Budgets(budget(MIB), budget(MIB)))
    tracemalloc.start()
    try:
        for _ in range(200 * KIB // 2):
            await spool.add(bytes([1, 2]))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert sum(map(len, spool.in_memory)) == 200 * KIB
    assert size < 300 * KIB


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 700)), max_size=30))
def test_shares_never_exceed_the_limit_and_are_given_back(steps: list[tuple[int, int]]) -> None:
    memory = budget(1000)
    with memory.held() as a, memory.held() as b, memory.held() as c:
        for which, size in steps:
            share = (a, b, c)[which]
            left = memory.limit - memory.used
            if size - share.size > left:
                with pytest.raises(Problem, match="exhausted; try again in 5 s"):
                    share.grow_to(size)
            else:
                share.grow_to(size)
                assert share.size >= size
            assert memory.used == a.size + b.size + c.size <= 1000
    assert memory.used == 0


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 400)), max_size=60))
def test_callers_leave_room_for_one_that_holds_nothing(steps: list[tuple[str, int]]) -> None:
    memory = budget(1000)
    parts = {caller: memory.of(caller) for caller in "abcde"}
    for caller, size in steps:
        parts[caller].try_take(size)

    assert memory.used == sum(part.used for part in parts.values())
    assert memory.of("new").try_take((memory.limit - memory.used) // 2)


def test_one_caller_gets_three_quarters_and_two_three_sevenths_each() -> None:
    memory = budget(7000)
    a, b = memory.of("a"), memory.of("b")
    while a.try_take(1):
        pass
    alone = a.used
    a.give(alone)

    while a.try_take(1) + b.try_take(1):
        pass

    assert (alone, a.used, b.used) == (5250, 3000, 3000)
    with pytest.raises(Problem, match="This API key's share of the memory for requests is exhausted"):
        a.take(1)
    assert str(a.exhausted()).startswith("The memory for requests is exhausted")


def test_a_caller_with_several_requests_has_one_share() -> None:
    memory = budget(1000)
    with memory.of("a").held() as first, memory.of("a").held() as second:
        first.grow_to(700)
        with pytest.raises(Problem, match="share"):
            second.grow_to(100)

    assert (memory.used, memory.of("a").used) == (0, 0)


# JSON bodies.


class _Sent:
    """A body in one chunk."""

    def __init__(self, data: bytes) -> None:
        self.received = 0
        self.left = data

    async def read(self) -> bytes:
        data, self.left = self.left, b""
        self.received += len(data)
        return data


async def read(data: bytes, *, limit: int = 32 * MIB, memory: int = 384 * MIB) -> dict[str, object]:
    with budget(memory).held() as share:
        return await read_object(cast("Body", _Sent(data)), limit, len(data), share, "'messages'")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"x":[' + b"[]," * 150_000 + b"[]]}", "bad_json"),
        (b'{"x":' + b"[" * 70 + b"]" * 70 + b"}", "bad_json"),
        (b'{"x":' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}", "bad_json"),
        (b'{"x":' + b"[" * 100_000, "bad_json"),
        (b'{"x":"' + b"a" * 2000 + b'"}', "upload_too_large"),
    ],
    ids=["many values", "deep lists", "deep objects", "deeper than Python recurses", "too large"],
)
async def test_a_json_body_is_bounded_in_size_values_and_depth(data: bytes, code: str) -> None:
    with pytest.raises(Problem) as refused:
        await read(data, limit=1000 if code == "upload_too_large" else 32 * MIB)

    assert refused.value.code == code


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
        max_leaves=40,
    )
)
def test_an_ordinary_json_body_is_read_as_it_is(value: object) -> None:
    assert asyncio.run(read(json.dumps({"messages": value}).encode())) == {"messages": value}


async def test_a_large_text_is_no_complex_body() -> None:
    text = "A sentence, of an ordinary length, with commas. " * 60_000

    assert await read(json.dumps({"messages": text}).encode()) == {"messages": text}


async def test_a_json_body_takes_its_memory_before_it_is_read() -> None:
    memory = budget(8 * KIB)
    body = _Sent(b'{"x":"' + b"a" * 1000 + b'"}')
    with memory.held() as others, memory.held() as share:
        others.grow_to(5 * KIB)
        with pytest.raises(Problem) as refused:
            await read_object(cast("Body", body), MIB, 1008, share, "'messages'")

    assert (refused.value.code, refused.value.retry_after) == ("overloaded", 5)
    assert body.received == 0


async def test_a_json_body_that_never_fits_is_too_large() -> None:
    with pytest.raises(Problem) as refused:
        await read(b'{"x":"' + b"a" * 3000 + b'"}', memory=8 * KIB)

    assert refused.value.code == "upload_too_large"


# Over HTTP.


async def test_without_memory_a_form_is_503_and_says_when_to_retry(bridge: Bridge) -> None:
    memory = bridge.service.budgets.memory
    with memory.held() as others:
        others.grow_to(memory.limit - 100)
        reply = await exchange(bridge.url, head("/process", length=10_000), part("file", WAV[:100], filename="a.wav"))

    assert (reply.status, reply.json()["code"]) == (503, "overloaded")
    assert int(reply.headers["retry-after"]) > 0
    assert memory.used == 0


async def test_without_memory_a_compressed_form_is_503_however_small_it_is(bridge: Bridge) -> None:
    """Its fields may be a thousand times as large as its body."""
    memory = bridge.service.budgets.memory
    body = gzip.compress(multipart(part("prompt", "a" * 200 * KIB), part("file", WAV, filename="a.wav")))
    with memory.held() as others:
        others.grow_to(memory.limit - 512 * KIB)
        reply = await exchange(
            bridge.url, head("/process", length=len(body), headers="Content-Encoding: gzip\r\n"), body
        )
        assert memory.used == others.size

    assert (reply.status, reply.json()["code"]) == (503, "overloaded")


@pytest.mark.parametrize("room", [100 * KIB, 0])
async def test_on_a_full_disk_an_upload_is_503_and_says_when_to_retry(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, room: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)  # looks for a folder that it can write to, as in a new process
    monkeypatch.setattr(Upload, "_is_fast", lambda _: False)  # so that it is buffered
    body = multipart(part("file", WAV[:44] + bytes(4 * MIB), filename="a.wav"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))  # EFBIG, as a full disk is ENOSPC
    try:
        reply = await exchange(bridge.url, head("/process", length=len(body)), body)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert (reply.status, reply.json()["code"]) == (503, "overloaded")
    assert int(reply.headers["retry-after"]) > 0
    assert [record.getMessage() for record in caplog.records].count("no disk space for uploads") == 1
    assert (bridge.service.budgets.memory.used, bridge.service.budgets.disk.used) == (0, 0)


async def test_without_memory_a_chat_is_503_and_says_when_to_retry(bridge: Bridge) -> None:
    memory = bridge.service.budgets.memory
    chat = {"messages": [{"role": "user", "content": "a" * 200}]}
    with memory.held() as others:
        others.grow_to(memory.limit - 100)
        async with bridge.client.post("/v1/chat/completions", json=chat) as refused:
            assert (refused.status, (await refused.json())["error"]["code"]) == (503, "overloaded")
            assert int(refused.headers["Retry-After"]) > 0

    assert memory.used == 0


async def test_a_request_gives_back_its_memory(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    asking = asyncio.create_task(bridge.json())
    await gate.reached()
    held = bridge.service.budgets.memory.used
    gate.release()
    await asking

    assert held >= len(WAV)
    assert bridge.service.budgets.memory.used == 0


async def test_a_retry_buffer_without_memory_goes_to_disk(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    """The memory suffices for the form itself, not for its retry buffer."""
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, memory_budget_bytes=2 * MIB, stream_min_rate=2**40
    )
    body = multipart(part("file", WAV[:44] + bytes(4 * MIB), filename="a.wav"))

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(body)), body)
        reply = await connection.reply()

    assert reply.status == 200
    assert (bridge.service.budgets.memory.used, bridge.service.budgets.disk.used) == (0, 0)


async def test_the_fields_of_a_form_have_a_total(bridge: Bridge) -> None:
    limit = bridge.service.settings.max_field_bytes
    fields = [part(name, "x" * (limit - 10)) for name in ("prompt", "initial_prompt", "hotwords")]

    reply = await exchange(bridge.url, *form_of(*fields))

    assert (reply.status, reply.json()["code"], reply.json()["param"]) == (400, "field_too_large", "hotwords")


async def test_fields_that_no_route_reads_are_not_kept(bridge: Bridge) -> None:
    unknown = [part(f"unknown-{number}", b"\xff" * 300 * KIB) for number in range(3)]

    reply = await exchange(bridge.url, *form_of(*unknown))

    assert reply.status == 200


def form_of(*fields: bytes) -> tuple[bytes, bytes]:
    body = multipart(*fields, part("file", WAV, filename="a.wav"))
    return head("/process", length=len(body)), body
