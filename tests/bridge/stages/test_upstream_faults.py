"""What a client sees when an upstream fails: the right status, the transcription kept, another pod where it may be."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bridge.running import WAV, Bridge, StartBridge, form, lead_to
from bridge.wire import all_events, types
from fakes.faults import (
    Answer,
    CutAnswer,
    DieMidUpload,
    EndsEarly,
    Fault,
    Fragmented,
    Garbage,
    HangUp,
    StreamError,
    broken_json,
    busy,
    html_page,
    no_space,
    refusing_url,
    status,
    wrong_json,
)
from fakes.gates import Point
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.received import Received, reused
from fakes.server import FakeUpstream
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

Whisper = FakeAsrWebservice | FakeSpeechWhisper
Model = FakeOllama | FakeOpenAIChat
NOT_AUDIO = b"This is text, and it is longer than a header."
UNKNOWN_DURATION = b"OggS\x00\x02" + bytes(1000)
"""Whisper streams it to the bridge, whatever the caller asked for."""


@pytest.fixture(params=["asr", "openai"])
async def whisper(request: pytest.FixtureRequest, asr: FakeAsrWebservice, speech_whisper: FakeSpeechWhisper) -> Whisper:
    return asr if request.param == "asr" else speech_whisper


@pytest.fixture(params=["ollama", "openai"])
async def model(request: pytest.FixtureRequest, ollama: FakeOllama, openai_chat: FakeOpenAIChat) -> Model:
    return ollama if request.param == "ollama" else openai_chat


def protocols(whisper: FakeUpstream, model: FakeUpstream) -> dict[str, Any]:
    """The settings for these two upstreams."""
    return {
        "whisper_url": whisper.url,
        "transcriber": "openai" if isinstance(whisper, FakeSpeechWhisper) else "asr-webservice",
        "ollama_url": model.url,
        "generator": "openai" if isinstance(model, FakeOpenAIChat) else "ollama",
        "models": "smollm2" if isinstance(model, FakeOpenAIChat) else "smollm2:135m",
    }


# Whisper.

WHISPER_FAULTS: dict[str, tuple[Fault, int, str]] = {
    "closes": (HangUp(), 502, "transcriber_failed"),
    "resets": (HangUp(reset=True), 502, "transcriber_failed"),
    "dies over the upload": (DieMidUpload(), 502, "transcriber_failed"),
    "dies in its answer": (CutAnswer(after=20), 502, "transcriber_failed"),
    "its answer is cut short": (CutAnswer(after=20, reset=False), 502, "transcriber_failed"),
    "no HTTP": (Garbage(), 502, "transcriber_bad_answer"),
    "another JSON": (wrong_json(), 502, "transcriber_bad_answer"),
    "a list": (Answer(body=b"[]"), 502, "transcriber_bad_answer"),
    "half of JSON": (broken_json(), 502, "transcriber_bad_answer"),
    "no UTF-8": (Answer(body=b'{"text": "\xff"}'), 502, "transcriber_bad_answer"),
    "nothing": (Answer(), 502, "transcriber_bad_answer"),
    "too deep": (Answer(body=b"[" * 100_000), 502, "transcriber_bad_answer"),
    "segments of text": (Answer(body=b'{"text":"a","segments":"b"}'), 502, "transcriber_bad_answer"),
    "segments without times": (Answer(body=b'{"text":"a","segments":[{}]}'), 502, "transcriber_bad_answer"),
    "endless times": (
        Answer(body=b'{"text":"a","segments":[{"id":1e999,"start":0,"end":1,"text":"a"}]}'),
        502,
        "transcriber_bad_answer",
    ),
    "a page": (html_page(), 502, "transcriber_bad_answer"),
    "502 of a proxy": (html_page(502), 502, "transcriber_failed"),
    "busy for ever": (busy(None), 503, "overloaded"),
}


@pytest.mark.parametrize("case", WHISPER_FAULTS)
async def test_a_fault_of_whisper_is_an_error(
    start_bridge: StartBridge, whisper: Whisper, ollama: FakeOllama, case: str
) -> None:
    fault, expected, code = WHISPER_FAULTS[case]
    bridge = await start_bridge(**protocols(whisper, ollama), queue_timeout=0.5)
    whisper.always(fault)

    got, answer = await bridge.json()

    assert (got, answer["code"]) == (expected, code)
    assert len(whisper.work) >= 3
    assert ollama.work == []
    assert bridge.service.whisper.endpoints[0].outstanding == 0


@pytest.mark.parametrize("case", WHISPER_FAULTS)
async def test_one_fault_of_whisper_goes_unnoticed(
    start_bridge: StartBridge, whisper: Whisper, ollama: FakeOllama, case: str
) -> None:
    bridge = await start_bridge(**protocols(whisper, ollama))
    whisper.script(WHISPER_FAULTS[case][0])

    got, answer = await bridge.json()

    assert (got, answer["transcription"]) == (200, whisper.transcript.text.strip())
    assert len(whisper.work) == 2


@pytest.mark.parametrize("case", [401, 403, 404, 405, 407, 500, 501])
async def test_a_complete_answer_of_the_only_whisper_is_not_asked_for_twice(
    start_bridge: StartBridge, whisper: Whisper, ollama: FakeOllama, case: int
) -> None:
    bridge = await start_bridge(**protocols(whisper, ollama))
    whisper.always(status(case))

    got, answer = await bridge.json()

    assert (got, answer["code"]) == (502, "transcriber_failed")
    assert len(whisper.work) == 1
    assert bridge.service.whisper.endpoints[0].health.ejected_until == 0.0  # others are served meanwhile


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (status(400, "no such temperature"), (400, "transcriber_refused")),
        (status(415, "no such type"), (400, "transcriber_refused")),
        (
            Answer(422, b'{"detail": [{"loc": ["query", "language"], "msg": "no such language"}]}'),
            (400, "transcriber_refused"),
        ),
        (
            Answer(400, b'{"error": {"message": "no such format", "code": "invalid_value"}}'),
            (400, "transcriber_refused"),
        ),
        (status(413, "no such size"), (413, "upload_too_large")),
    ],
)
async def test_what_whisper_rejects_is_the_callers_to_correct(
    start_bridge: StartBridge, whisper: Whisper, ollama: FakeOllama, case: Answer, expected: tuple[int, str]
) -> None:
    bridge = await start_bridge(**protocols(whisper, ollama))
    whisper.always(case)

    got, answer = await bridge.json()

    assert (got, answer["code"]) == expected
    assert "no such" in answer["detail"]
    assert len(whisper.work) == 1


async def test_no_whisper_is_503_and_says_when_to_come_back(start_bridge: StartBridge, ollama: FakeOllama) -> None:
    with refusing_url() as url:
        bridge = await start_bridge(whisper_url=url, ollama_url=ollama.url)
        async with await bridge.process() as response:
            answer = await response.json()

    assert (response.status, answer["code"]) == (503, "transcriber_unavailable")
    assert int(response.headers["Retry-After"]) > 0


async def test_a_whisper_that_comes_back_in_time_goes_unnoticed(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, hold_timeout=5.0)
    await asr.go_away()

    asking = asyncio.create_task(bridge.json())
    await bridge.until(lambda: bridge.service.whisper.waiting == 1)
    await asr.come_back()
    got, _ = await asking

    assert got == 200


async def test_a_slow_whisper_is_504(start_bridge: StartBridge, whisper: Whisper, ollama: FakeOllama) -> None:
    bridge = await start_bridge(**protocols(whisper, ollama), request_timeout=1.0)
    whisper.hold(Point.BEFORE_ANSWER)

    got, answer = await bridge.json()

    assert (got, answer["code"]) == (504, "deadline_exceeded")
    await whisper.until(lambda: whisper.work[0].disconnected)


async def test_a_bare_500_on_what_is_no_audio_is_the_files_fault(bridge: Bridge, asr: FakeAsrWebservice) -> None:
    got, answer = await bridge.json(NOT_AUDIO)

    assert (got, answer["code"]) == (400, "not_audio")
    assert len(asr.work) == 1


def film(*handlers: bytes) -> bytes:
    """An MP4, as far as a look into it goes; its index comes last, as phones write it."""
    tracks = b"".join(b"\x00\x00\x00\x21hdlr" + bytes(8) + handler + bytes(13) for handler in handlers)
    return b"\x00\x00\x00\x20ftypisom" + bytes(100_000) + b"moov" + tracks


def webm(*codecs: bytes) -> bytes:
    tracks = b"".join(b"\x86" + bytes([0x80 + len(codec)]) + codec for codec in codecs)
    return b"\x1aE\xdf\xa3" + bytes(100) + tracks + bytes(100_000)


BARE_500 = Answer(500, b"Internal Server Error", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (film(b"vide"), (400, "no_audio_stream")),
        (webm(b"V_VP8"), (400, "no_audio_stream")),
        (film(b"vide", b"soun"), (502, "transcriber_failed")),
        (webm(b"V_VP9", b"A_OPUS"), (502, "transcriber_failed")),
        (film(), (502, "transcriber_failed")),
    ],
    ids=["mp4 without sound", "webm without sound", "mp4", "webm", "no index"],
)
async def test_a_bare_500_on_a_film_without_sound_is_the_files_fault(
    bridge: Bridge, asr: FakeAsrWebservice, file: bytes, expected: tuple[int, str]
) -> None:
    asr.always(BARE_500)

    got, answer = await bridge.json(file)

    assert (got, answer["code"]) == expected


@pytest.mark.parametrize("first", ["audio", "text"])
async def test_a_kept_connection_that_was_closed_is_replaced_unnoticed(
    start_bridge: StartBridge, whisper: Whisper, model: Model, first: str
) -> None:
    bridge = await start_bridge(**protocols(whisper, model))
    await bridge.json(WAV if first == "audio" else NOT_AUDIO)
    whisper.script(HangUp(), only=lambda received: whisper.is_work(received) and reused(received))
    model.script(HangUp(), only=lambda received: model.is_work(received) and reused(received))

    got, answer = await bridge.json()

    assert (got, "error" in answer) == (200, False)


async def test_answers_in_the_smallest_pieces_are_understood(
    start_bridge: StartBridge, whisper: Whisper, model: Model
) -> None:
    bridge = await start_bridge(**protocols(whisper, model))
    whisper.always(Fragmented(1))
    model.always(Fragmented(1))

    _, answer = await bridge.json()

    assert answer["transcription"] == whisper.transcript.text.strip()
    assert answer["response"] == "".join(model.tokens).strip()


# Segments on their way to the client.


@pytest.mark.parametrize("fault", [StreamError(after=1), EndsEarly(after=1), CutAnswer(after=400)])
async def test_after_a_segment_has_gone_out_nothing_is_tried_again(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, fault: Fault
) -> None:
    speech_whisper.script(fault)
    gate = speech_whisper.hold(Point.BETWEEN_TOKENS) if not isinstance(fault, CutAnswer) else None
    if gate:
        gate.release()

    async with await streaming_bridge.process(WAV, stream="true") as response:
        told = await all_events(response)

    assert types(told) == ["transcript.delta", "error"]
    assert told[-1].data["stage"] == "transcribe"
    assert len(speech_whisper.work) == 1


@pytest.mark.parametrize("fault", [StreamError(after=1), EndsEarly(after=1), CutAnswer(after=400)])
async def test_as_json_nothing_has_gone_out_and_it_is_tried_again(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper, fault: Fault
) -> None:
    speech_whisper.script(fault)

    got, answer = await streaming_bridge.json(UNKNOWN_DURATION)

    assert (got, answer["transcription"]) == (200, speech_whisper.transcript.text.strip())
    assert len(speech_whisper.work) == 2


async def test_openais_stream_says_what_went_wrong(streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper) -> None:
    speech_whisper.script(StreamError(after=1))

    data = form(WAV, stream="true")
    async with streaming_bridge.client.post("/v1/audio/transcriptions", data=data) as response:
        told = await all_events(response)

    assert [event.data["type"] for event in told] == ["transcript.text.delta", "error"]
    assert told[-1].data["error"]["code"] == "transcriber_failed"


async def test_openais_streams_end_with_the_deadline(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat
) -> None:
    bridge = await start_bridge(**protocols(speech_whisper, openai_chat), request_timeout=1.0)
    speech_whisper.hold(Point.BETWEEN_TOKENS)
    openai_chat.hold(Point.BETWEEN_TOKENS)

    async with bridge.client.post("/v1/audio/transcriptions", data=form(WAV, stream="true")) as response:
        transcribed = await all_events(response)
    chat = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    async with bridge.client.post("/v1/chat/completions", json=chat) as response:
        generated = await all_events(response)

    for told in (transcribed, generated):
        assert told[-1].data["error"]["code"] == "deadline_exceeded"


# The language model.

MODEL_FAULTS: dict[str, tuple[Fault, str, int]] = {
    "closes": (HangUp(), "generator_failed", 3),
    "resets": (HangUp(reset=True), "generator_failed", 3),
    "dies in its answer": (CutAnswer(after=100), "generator_failed", 3),
    "its answer is cut short": (CutAnswer(after=100, reset=False), "generator_failed", 3),
    "ends too early": (EndsEarly(after=2), "generator_failed", 3),
    "says an error in its answer": (StreamError(after=2), "generator_failed", 3),
    "no HTTP": (Garbage(), "generator_bad_answer", 3),
    "half of JSON": (Answer(body=b'data: {"choi\n\n'), "generator_bad_answer", 3),
    "no UTF-8": (Answer(body=b'data: {"choices": "\xff"}\n\n'), "generator_bad_answer", 3),
    "nothing": (Answer(), "generator_failed", 3),
    "502 of a proxy": (html_page(502), "generator_failed", 3),
    "500": (status(500), "generator_failed", 1),
    "500, not supported": (status(500, "image input is not supported"), "generator_refused", 1),
    "401": (status(401, "invalid API key"), "generator_failed", 1),
    "403": (status(403), "generator_failed", 1),
    "405": (status(405), "generator_failed", 1),
    "404": (status(404, "model 'smollm2:135m' not found"), "model_missing", 1),
    "400": (status(400, "options are wrong"), "generator_refused", 1),
    "too long": (status(400, "the input length exceeds the context length"), "context_length_exceeded", 1),
    "busy for ever": (busy(None), "overloaded", 3),
}


@pytest.mark.parametrize("case", MODEL_FAULTS)
async def test_a_fault_of_the_model_keeps_the_transcription(
    start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model, case: str
) -> None:
    fault, code, tries = MODEL_FAULTS[case]
    bridge = await start_bridge(**protocols(asr, model), queue_timeout=0.5)
    model.always(fault)

    got, answer = await bridge.json()

    assert (got, answer["transcription"]) == (200, asr.transcript.text.strip())
    assert answer["error"]["code"] == code
    assert answer["response"] == f"Ollama processing failed: {answer['error']['message']}"
    assert len(model.work) >= tries
    assert bridge.service.llm.endpoints[0].outstanding == 0


@pytest.mark.parametrize("case", [name for name, (_, _, tries) in MODEL_FAULTS.items() if tries > 1])
async def test_one_fault_of_the_model_goes_unnoticed_as_json(
    start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model, case: str
) -> None:
    bridge = await start_bridge(**protocols(asr, model))
    model.script(MODEL_FAULTS[case][0])

    _, answer = await bridge.json()

    assert answer["response"] == "".join(model.tokens).strip()
    assert "error" not in answer


MODEL_NONSENSE = {
    "another JSON": b'{"hello": ["world", 1, null]}\n',
    "a page": b"<!doctype html><h1>It works!</h1>",
    "counts of text": b'{"message":{"content":"a"},"done":true,"prompt_eval_count":"many","eval_count":[]}\n',
    "choices of text": b'data: {"choices":"many"}\n\n',
    "usage of text": b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}],"usage":"much"}\n\n',
    "content of numbers": b'data: {"choices":[{"delta":{"content":5},"finish_reason":"stop"}]}\n\n',
    "too deep": b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("case", MODEL_NONSENSE)
async def test_nonsense_of_the_model_keeps_the_transcription(
    start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model, case: str
) -> None:
    bridge = await start_bridge(**protocols(asr, model), context_length=4096, queue_timeout=5.0)
    model.always(Answer(body=MODEL_NONSENSE[case]))

    got, answer = await bridge.json()

    assert (got, answer["transcription"]) == (200, asr.transcript.text.strip())
    assert "error" not in answer or answer["error"]["code"] in {"generator_failed", "generator_bad_answer"}


async def test_no_model_server_keeps_the_transcription(start_bridge: StartBridge, asr: FakeAsrWebservice) -> None:
    with refusing_url() as url:
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=url)
        got, answer = await bridge.json()

    assert (got, answer["transcription"]) == (200, asr.transcript.text.strip())
    assert answer["error"]["code"] == "generator_unavailable"


async def test_a_slow_model_keeps_the_transcription_and_what_was_said(
    start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model
) -> None:
    bridge = await start_bridge(**protocols(asr, model), request_timeout=1.0)
    model.hold(Point.BETWEEN_TOKENS)

    got, answer = await bridge.json()

    assert (got, answer["transcription"]) == (200, asr.transcript.text.strip())
    assert answer["error"]["code"] == "deadline_exceeded"
    assert answer["partial_response"] == "The"
    await model.until(lambda: model.work[0].disconnected)


async def test_a_list_of_models_that_does_not_come_holds_no_request(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speechbridge.generators.catalog._LISTING_TIMEOUT_S", 0.05)
    bridge = await start_bridge(whisper_url=asr.url, ollama_url=ollama.url, models="")
    ollama.script(Answer(200, b"{}"), only=lambda _: False)
    gate = ollama.hold(Point.BEFORE_ANSWER)

    got, answer = await bridge.json()
    gate.release()

    assert (got, answer["transcription"]) == (200, asr.transcript.text.strip())
    assert answer["error"]["code"] == "generator_unavailable"


@pytest.mark.parametrize(
    "body", [b"[]", b'{"models": 5, "data": 5}', b'{"models": [5], "data": [5]}', b"<h1>It works!</h1>"]
)
async def test_a_list_of_models_that_makes_no_sense_is_no_list(
    start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model, body: bytes
) -> None:
    bridge = await start_bridge(**{**protocols(asr, model), "models": ""})
    model.script(*[Answer(200, body)] * 4, only=lambda received: received.method == "GET")

    got, answer = await bridge.json()

    assert (got, answer["transcription"]) == (200, asr.transcript.text.strip())
    assert answer["error"]["code"] == "generator_unavailable"
    async with bridge.client.get("/readyz") as response:
        assert response.status == 503


# Chat, passed on.

CHAT_FAULTS = ["closes", "resets", "dies in its answer", "its answer is cut short", "no HTTP", "500"]
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    "case", ["closes", "resets", "dies in its answer", "its answer is cut short", "no HTTP", "500"]
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_of_the_model_is_an_error_of_a_chat(
    start_bridge: StartBridge,
    asr: FakeAsrWebservice,
    model: Model,
    case: str,
    stream: bool,  # noqa: FBT001 - a case
) -> None:
    bridge = await start_bridge(**protocols(asr, model))
    model.always(MODEL_FAULTS[case][0])

    async with bridge.client.post("/v1/chat/completions", json={**CHAT, "stream": stream}) as response:
        if response.status == 200:
            assert stream
            error = (await all_events(response))[-1].data["error"]
        else:
            error = (await response.json())["error"]
            assert response.status == 502

    assert error["code"] in {"generator_failed", "generator_bad_answer"}
    assert error["type"] == "server_error"


@pytest.mark.parametrize(
    "case", ["closes", "resets", "dies in its answer", "its answer is cut short", "no HTTP", "502 of a proxy"]
)
async def test_one_fault_of_the_model_goes_unnoticed_in_a_chat(
    start_bridge: StartBridge, asr: FakeAsrWebservice, model: Model, case: str
) -> None:
    bridge = await start_bridge(**protocols(asr, model))
    model.script(MODEL_FAULTS[case][0])

    async with bridge.client.post("/v1/chat/completions", json=CHAT) as response:
        answer = json.loads(await response.read())

    assert response.status == 200
    assert answer["choices"][0]["message"]["content"] == "".join(model.tokens)
    assert len(model.work) == 2


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (400, "temperature is wrong", (400, "generator_refused")),
        (404, "model not found", (503, "model_missing")),
        (400, "the request exceeds the available context size", (400, "context_length_exceeded")),
        (500, "image input is not supported - hint: you may need the mmproj", (400, "generator_refused")),
        (500, "Failed to parse tools: missing function", (400, "generator_refused")),
        (500, "out of memory", (502, "generator_failed")),
    ],
)
async def test_what_the_model_refuses_is_said(
    bridge: Bridge, ollama: FakeOllama, code: int, message: str, expected: tuple[int, str]
) -> None:
    ollama.always(status(code, message))

    async with bridge.client.post("/v1/chat/completions", json=CHAT) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == expected
    assert message in error["message"]
    assert len(ollama.work) == 1
    assert bridge.service.llm.endpoints[0].health.ejected_until == 0.0  # others are served meanwhile


# Two pods.


TwoPods = tuple[Bridge, list[FakeSpeechWhisper]]


@pytest.fixture
async def two_pods(start_bridge: StartBridge, ollama: FakeOllama) -> AsyncIterator[TwoPods]:
    """The bridge over two Whisper pods of one name."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(FakeSpeechWhisper())
        port = int(first.url.rpartition(":")[2])
        second = await stack.enter_async_context(FakeSpeechWhisper().listen_on("127.0.0.2", port))
        whisper_url = f"http://localhost:{port}"
        bridge = await start_bridge(
            whisper_url=whisper_url, transcriber="openai", ollama_url=ollama.url, queue_timeout=5.0
        )
        await lead_to(bridge.service.whisper, "127.0.0.1", "127.0.0.2")
        yield bridge, [first, second]


@pytest.mark.parametrize(
    "fault", [HangUp(), DieMidUpload(), CutAnswer(after=100), Garbage(), status(500), busy(30), no_space()]
)
async def test_another_pod_is_asked(two_pods: TwoPods, fault: Fault) -> None:
    bridge, pods = two_pods
    once = [fault]

    def first_of_all(received: Received) -> Fault | None:
        return once.pop() if once and received.path.startswith("/v1/audio") else None

    for pod in pods:
        pod.always(first_of_all)

    got, answer = await bridge.json()

    assert (got, answer["transcription"]) == (200, pods[0].transcript.text.strip())
    assert [len(pod.work) for pod in pods] == [1, 1]


MP4 = b"\0\0\0\x18ftypM4A " + bytes(200_000)
"""Its duration is unknown, so that Whisper streams to the bridge."""


@pytest.mark.parametrize("audio", [WAV, MP4], ids=["a response", "an event"])
async def test_each_pod_without_disk_space_gets_the_audio_once(two_pods: TwoPods, audio: bytes) -> None:
    bridge, pods = two_pods
    for pod in pods:
        pod.disk_full = True
        if audio is WAV:
            pod.always(lambda received: no_space(retry_after=17) if pods[0].is_work(received) else None)

    async with await bridge.process(audio) as response:
        answer = await response.json()

    assert (response.status, answer["code"]) == (503, "overloaded")
    assert response.headers["Retry-After"] == ("30" if audio is MP4 else "17")
    assert [len(pod.work) for pod in pods] == [1, 1]
    assert [pod.work[0].audio and pod.work[0].audio.size for pod in pods] == [len(audio)] * 2
    assert not any(endpoint.health.busy for endpoint in bridge.service.whisper.endpoints)


async def test_a_pod_that_is_gone_is_passed_over(two_pods: TwoPods) -> None:
    bridge, pods = two_pods
    await pods[0].go_away()

    answers = [await bridge.json() for _ in range(4)]

    assert [got for got, _ in answers] == [200] * 4
    assert len(pods[1].work) == 4


async def test_a_busy_pod_is_asked_again_long_before_its_retry_after(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    speech_whisper.script(busy(3600))

    got, _ = await streaming_bridge.json()

    assert got == 200
    assert len(speech_whisper.work) == 2


async def test_a_pod_without_a_queue_that_was_busy_is_asked_before_it_is_sent_audio(
    start_bridge: StartBridge, speech_whisper: FakeSpeechWhisper, openai_chat: FakeOpenAIChat
) -> None:
    speech_whisper.reports_load = False
    streaming_bridge = await start_bridge(**protocols(speech_whisper, openai_chat))
    speech_whisper.script(busy(), None, None)

    for _ in range(2):
        await streaming_bridge.json()

    assert [received.asks_first for received in speech_whisper.work] == [False, True, False]


async def test_a_pod_with_a_queue_is_asked_before_it_is_sent_audio(
    streaming_bridge: Bridge, speech_whisper: FakeSpeechWhisper
) -> None:
    for _ in range(2):
        await streaming_bridge.json()

    assert [received.asks_first for received in speech_whisper.work] == [True, True]


@pytest.mark.parametrize("fault", [busy(30), HangUp()], ids=["was busy", "failed"])
async def test_a_pod_is_used_again_when_the_other_one_stays_held(two_pods: TwoPods, fault: Fault) -> None:
    bridge, pods = two_pods
    for pod in pods:
        pod.hold(Point.BEFORE_ANSWER)
    holding = asyncio.create_task(bridge.json())
    await bridge.until(lambda: any(pod.work for pod in pods))
    other, held = sorted(pods, key=lambda pod: len(pod.work))
    other.release(Point.BEFORE_ANSWER)
    other.script(fault)

    got, _ = await bridge.json()

    assert got == 200
    assert not holding.done()
    held.release(Point.BEFORE_ANSWER)
    assert (await holding)[0] == 200


async def test_failures_are_counted_by_kind(bridge: Bridge, asr: FakeAsrWebservice, ollama: FakeOllama) -> None:
    asr.script(HangUp(), Garbage())
    ollama.script(status(500))

    await bridge.json()

    def count(upstream: str, kind: str) -> float | None:
        return bridge.value("speechbridge_upstream_failures_total", upstream=upstream, kind=kind)

    assert (count("whisper", "died"), count("whisper", "bad_answer"), count("llm", "error")) == (1, 1, 1)


async def test_a_pod_without_the_model_fails_nobody(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    port = int(ollama.url.rpartition(":")[2])
    async with FakeOllama().listen_on("127.0.0.2", port) as lacking:
        lacking.always(status(404, "model 'smollm2:135m' not found"))
        bridge = await start_bridge(whisper_url=asr.url, ollama_url=f"http://localhost:{port}")
        await lead_to(bridge.service.llm, "127.0.0.1", "127.0.0.2")

        answers = [await bridge.json() for _ in range(6)]

    assert [(got, "error" in answer) for got, answer in answers] == [(200, False)] * 6
    assert len(lacking.work) <= 1


async def test_one_callers_errors_do_not_slow_the_others(bridge: Bridge, ollama: FakeOllama) -> None:
    image = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}

    def refuses(received: Received) -> Fault | None:
        return status(500, "image input is not supported") if "image_url" in str(received.json) else None

    ollama.always(refuses)
    for _ in range(5):
        async with bridge.client.post("/v1/chat/completions", json=image) as response:
            assert response.status == 400

        async with bridge.client.post("/v1/chat/completions", json=CHAT) as response:
            assert response.status == 200

    labels = {"stage": "queue", "outcome": "failed", "model": "smollm2:135m"}
    assert bridge.value("speechbridge_stage_duration_seconds_count", **labels) in {None, 0}
    assert len(ollama.work) == 10  # each was asked for once
