"""How many requests are worked on, how many wait, and when the rest are told to come back."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import Connection, head, multipart, part
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.whisper import FakeAsrWebservice
from speechbridge.admission.queue import Admission
from speechbridge.admission.retry_after import Backlog
from speechbridge.errors import Problem

pytestmark = pytest.mark.unit


def admission(limit: int = 1, queue: int = 1, timeout: float = 5.0, seconds: int = 7) -> Admission:
    return Admission(limit, queue, timeout, lambda _: seconds)


async def until(condition: object, value: int) -> None:
    async with asyncio.timeout(5):
        while condition() != value:  # type: ignore[operator]  # noqa: ASYNC110 - admission has no event for it
            await asyncio.sleep(0)


async def test_lets_in_as_many_as_it_may_and_queues_the_rest_in_their_order() -> None:
    door = admission(limit=2, queue=10)
    served: list[int] = []
    leave = asyncio.Event()

    async def request(number: int) -> None:
        async with door.admit():
            served.append(number)
            await leave.wait()

    tasks = []
    for number in range(6):
        tasks.append(asyncio.create_task(request(number)))
        await until(lambda: door.in_flight + door.queued, number + 1)
    assert (door.in_flight, door.queued, served) == (2, 4, [0, 1])
    leave.set()
    await asyncio.gather(*tasks)

    assert served == [0, 1, 2, 3, 4, 5]
    assert (door.in_flight, door.queued) == (0, 0)


async def test_beyond_the_queue_it_refuses_and_says_when_to_come_back() -> None:
    door = admission()
    async with door.admit():
        queued = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 1)

        with pytest.raises(Problem) as refused:
            async with door.admit():
                pass

    assert (refused.value.code, refused.value.retry_after) == ("overloaded", 7)
    await queued


async def anext_turn(door: Admission) -> None:
    async with door.admit():
        pass


async def test_who_waits_too_long_is_refused() -> None:
    door = admission(timeout=0.01)

    async with door.admit():
        with pytest.raises(Problem) as refused:
            await anext_turn(door)

    assert refused.value.code == "overloaded"
    assert (door.in_flight, door.queued) == (0, 0)


async def test_who_leaves_the_queue_gives_up_his_place() -> None:
    door = admission(queue=2)
    async with door.admit():
        gone = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 1)
        stays = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 2)
        gone.cancel()
        await until(lambda: door.queued, 1)

    await stays
    assert door.in_flight == 0


async def test_who_leaves_in_the_moment_of_his_turn_gives_it_to_the_next() -> None:
    door = admission(queue=2)
    tasks = []
    async with door.admit():
        for number in range(2):
            tasks.append(asyncio.create_task(anext_turn(door)))
            await until(lambda: door.queued, number + 1)
    tasks[0].cancel()

    await tasks[1]
    await door.drained()
    assert door.in_flight == 0


async def test_stopping_refuses_new_ones_and_lets_the_queue_finish() -> None:
    door = admission()
    async with door.admit():
        queued = asyncio.create_task(anext_turn(door))
        await until(lambda: door.queued, 1)
        door.stopping = True
        with pytest.raises(Problem) as refused:
            await anext_turn(door)
        drained = asyncio.create_task(door.drained())

    await queued
    await drained
    assert refused.value.code == "stopping"


def test_the_backlog_is_audio_that_waits_and_audio_that_is_worked_on() -> None:
    backlog = Backlog()
    for _ in range(100):
        backlog.observe(audio_seconds=60, work_seconds=30)

    with backlog.entry(100) as at_work, backlog.entry(50):
        at_work()
        assert (backlog.working, backlog.waiting) == (100, 50)
        assert backlog.seconds_left(queued=0, slots=1) == 75
        assert backlog.seconds_left(queued=0, slots=3) == 25
        assert backlog.seconds_left(queued=4, slots=1) == pytest.approx(75 + 4 * 60 / 2, abs=1)

    assert (backlog.working, backlog.waiting) == (0, 0)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=30), st.integers(0, 1000), st.integers(1, 64))
def test_what_is_told_is_always_a_sensible_number(seen: list[tuple[float, float]], queued: int, slots: int) -> None:
    backlog = Backlog()
    for audio, work in seen:
        backlog.observe(audio, work)

    assert 1 <= backlog.seconds_left(queued, slots) <= 600


# Over HTTP.


async def test_requests_beyond_the_limit_wait_and_beyond_the_queue_are_503(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1, max_queued_requests=1, queue_timeout=5
    )
    gate = asr.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(bridge.json())
    await gate.reached()
    second = asyncio.create_task(bridge.json())
    await bridge.until(lambda: bridge.service.admission.queued == 1)

    async with await bridge.process() as refused:
        answer = await refused.json()
    gate.release()

    assert (refused.status, answer["code"]) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    assert [(await task)[0] for task in (first, second)] == [200, 200]
    assert (await second)[1]["timings"]["queue_ms"] >= 0


async def test_a_whisper_pod_works_on_one_request_at_a_time(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    asking = [asyncio.create_task(bridge.json()) for _ in range(3)]
    await bridge.until(lambda: bridge.service.pipeline.whisper.waiting == 2)
    await gate.reached()

    assert len(asr.work) == 1
    gate.release()

    assert [(await task)[0] for task in asking] == [200, 200, 200]


async def test_the_audio_that_waits_is_told_in_seconds(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    gate = asr.hold(Point.BEFORE_ANSWER)
    asking = [asyncio.create_task(bridge.json()) for _ in range(3)]
    await bridge.until(lambda: bridge.service.pipeline.whisper.waiting == 2)

    async with bridge.client.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    gate.release()
    await asyncio.gather(*asking)

    waiting = next(float(line.split()[1]) for line in lines if line.startswith("speechbridge_audio_waiting_seconds "))
    assert waiting == pytest.approx(2.0, abs=0.1)


async def test_the_deadline_holds_in_the_queue_too(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1, queue_timeout=5, request_timeout=0.2
    )
    asr.hold(Point.BEFORE_ANSWER)

    answers = await asyncio.gather(bridge.json(), bridge.json())

    assert [(got, answer["code"]) for got, answer in answers] == [(504, "deadline_exceeded")] * 2


# Expect: 100-continue.

BODY = multipart(part("file", WAV, filename="a.wav"))
EXPECT = "Expect: 100-continue\r\n"


async def test_a_body_that_is_welcome_is_asked_for(bridge: Bridge) -> None:
    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(BODY), headers=EXPECT))
        asked = await connection.reply()
        await connection.send(BODY)
        answered = await connection.reply()

    assert (asked.status, answered.status) == (100, 200)


@pytest.mark.parametrize(
    ("path", "length", "headers", "expected"),
    [
        ("/process", 10**12, EXPECT, (413, "upload_too_large")),
        ("/v1/audio/transcriptions", 10**12, EXPECT, (413, "upload_too_large")),
        ("/process", 100, "Expect: 200-ok\r\n", (400, "bad_request")),
    ],
)
async def test_a_body_that_is_not_welcome_is_refused_before_it_is_sent(
    bridge: Bridge, path: str, length: int, headers: str, expected: tuple[int, str]
) -> None:
    async with Connection.to(bridge.url) as connection:
        await connection.send(head(path, length=length, headers=headers))
        reply = await connection.reply()

    document = reply.json()
    assert (reply.status, document.get("error", document)["code"]) == expected
    assert reply.headers["connection"] == "close"


async def test_a_form_that_is_none_is_refused_before_it_is_sent(bridge: Bridge) -> None:
    request = (
        b"POST /process HTTP/1.1\r\nHost: bridge\r\nContent-Type: audio/wav\r\nContent-Length: 9\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    async with Connection.to(bridge.url) as connection:
        await connection.send(request)
        reply = await connection.reply()

    assert (reply.status, reply.json()["code"]) == (415, "unsupported_media_type")


async def test_an_overloaded_bridge_refuses_before_the_body_is_sent(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url, ollama_url=ollama.url, max_concurrent_requests=1, max_queued_requests=0
    )
    gate = asr.hold(Point.BEFORE_ANSWER)
    first = asyncio.create_task(bridge.json())
    await gate.reached()

    async with Connection.to(bridge.url) as connection:
        await connection.send(head("/process", length=len(BODY), headers=EXPECT))
        reply = await connection.reply()
    gate.release()
    await first

    assert (reply.status, reply.json()["code"]) == (503, "overloaded")
    assert int(reply.headers["retry-after"]) >= 1


async def test_aiohttps_own_client_waits_to_be_asked(bridge: Bridge) -> None:
    async with bridge.client.post("/process", data=form(WAV), expect100=True) as response:
        assert response.status == 200
