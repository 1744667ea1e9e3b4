"""OpenAI's official client against /v1/responses."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from bridge.chats import BASE64, Json
from bridge.openai_client import client_for
from bridge.running import WAV, Bridge
from bridge.wire import all_events
from fakes.faults import Answer, EndsEarly, HangUp, StreamError
from fakes.openai_chat import FakeOpenAIChat
from fakes.received import Received
from fakes.speech_whisper import FakeSpeechWhisper
from speechbridge.generators.prompt import GUARD, marked_transcript

pytestmark = pytest.mark.unit

MODEL = "smollm2"
SAID = "The speaker describes a cold-hearted man."
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    "strict": False,
}


@pytest.fixture
async def client(streaming_bridge: Bridge) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_for(streaming_bridge.url) as client:
        yield client


async def test_answers_text(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    response = await client.responses.create(
        model=MODEL, input="Hello", instructions="Be brief.", temperature=0.5, top_p=0.9, max_output_tokens=100
    )

    assert (response.output_text, response.status, response.model) == (SAID, "completed", MODEL)
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (11, 8, 19)
    assert (response.instructions, response.temperature, response.max_output_tokens) == ("Be brief.", 0.5, 100)
    assert openai_chat.work[0].json == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
    }


async def test_streams_the_events_of_openais_api(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    stream = await client.responses.create(model=MODEL, input="Hello", stream=True)
    events = [event async for event in stream]

    kinds = [event.type for event in events]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert set(kinds[4:-4]) == {"response.output_text.delta"}
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(deltas) == SAID
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == SAID
    assert last.response.usage
    assert last.response.usage.output_tokens == len(openai_chat.tokens)


async def test_the_clients_own_accumulator_agrees(client: openai.AsyncOpenAI) -> None:
    async with client.responses.stream(model=MODEL, input="Hello") as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()

    assert final.output_text == SAID


@pytest.mark.parametrize("stream", [False, True])
async def test_a_recording_is_transcribed(
    client: openai.AsyncOpenAI,
    openai_chat: FakeOpenAIChat,
    speech_whisper: FakeSpeechWhisper,
    stream: bool,  # noqa: FBT001 - a case
) -> None:
    audio = {"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}
    content: Any = [{"type": "input_text", "text": "Summarise:"}, audio]

    answer = await client.responses.create(model=MODEL, input=[{"role": "user", "content": content}], stream=stream)
    if isinstance(answer, openai.AsyncStream):
        assert [event.type async for event in answer][-1] == "response.completed"

    transcript = marked_transcript(speech_whisper.transcript.text.strip())
    assert openai_chat.work[0].json["messages"] == [
        {"role": "system", "content": GUARD},
        {"role": "user", "content": f"Summarise:\n\n{transcript}"},
    ]


async def test_a_file_with_audio_is_transcribed(client: openai.AsyncOpenAI, speech_whisper: FakeSpeechWhisper) -> None:
    content: Any = [{"type": "input_file", "filename": "call.wav", "file_data": f"data:audio/wav;base64,{BASE64}"}]

    await client.responses.create(model=MODEL, input=[{"role": "user", "content": content}])

    assert speech_whisper.work[0].audio
    assert speech_whisper.work[0].audio.size == len(WAV)


async def test_a_conversation_is_sent_whole(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    image = "data:image/png;base64,iVBORw0KGgo="
    history: Any = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "input_image", "image_url": image, "detail": "low"}]},
        {
            "type": "message",
            "role": "assistant",
            "id": "msg_1",
            "status": "completed",
            "content": [
                {"type": "output_text", "text": "Let me ", "annotations": []},
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}", "id": "fc_1"},
        {"type": "function_call", "call_id": "call_2", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "Sunny."},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "Rain."}]},
    ]

    await client.responses.create(model=MODEL, input=history, instructions="Be brief.", tools=[WEATHER])

    function = {"name": "weather", "arguments": "{}"}
    assert openai_chat.work[0].json["messages"] == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": image, "detail": "low"}}]},
        {
            "role": "assistant",
            "content": "Let me no",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": function},
                {"id": "call_2", "type": "function", "function": function},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "Sunny."},
        {"role": "tool", "tool_call_id": "call_2", "content": "Rain."},
    ]


# Functions.


def calls_of(*calls: tuple[str, str]) -> list[Json]:
    return [
        {"index": index, "id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}
        for index, (call_id, arguments) in enumerate(calls)
    ]


async def test_a_function_call_is_an_item(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    calls = calls_of(("call_1", '{"place": "Rome"}'), ("call_2", "{}"))
    message = {"role": "assistant", "content": None, "tool_calls": [{**call, "index": None} for call in calls]}
    completion = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    openai_chat.always(Answer(body=json.dumps(completion).encode()))

    response = await client.responses.create(
        model=MODEL, input="Hello", tools=[WEATHER], tool_choice={"type": "function", "name": "weather"}
    )

    called = [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"]
    assert called == [("call_1", "weather", '{"place": "Rome"}'), ("call_2", "weather", "{}")]
    sent = openai_chat.work[0].json
    members = {name: WEATHER[name] for name in ("name", "description", "parameters", "strict")}
    assert sent["tools"] == [{"type": "function", "function": members}]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "weather"}}


async def test_function_calls_are_streamed(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    first, second = calls_of(("call_1", ""), ("call_2", "{}"))
    more = {"index": 0, "function": {"arguments": '{"place"'}}
    rest = {"index": 0, "function": {"arguments": ': "Rome"}'}}
    deltas: list[Json] = [
        {"content": "Let me see."},
        {"tool_calls": [first]},
        {"tool_calls": [more]},
        {"tool_calls": [rest, second]},
    ]
    chunks: list[Json] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    openai_chat.always(Answer(body=body.encode(), content_type="text/event-stream"))

    async with client.responses.stream(model=MODEL, input="Hello", tools=[WEATHER]) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()

    text, *calls = final.output
    assert text.type == "message"
    assert final.output_text == "Let me see."
    assert [(call.call_id, call.arguments) for call in calls if call.type == "function_call"] == [
        ("call_1", '{"place": "Rome"}'),
        ("call_2", "{}"),
    ]
    assert kinds.index("response.output_text.done") < kinds.index("response.function_call_arguments.delta")
    assert kinds.count("response.function_call_arguments.done") == 2


# Structured output, limits, reasoning.


class Mood(BaseModel):
    mood: str


async def test_the_answer_follows_a_schema(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    openai_chat.tokens = ('{"mood": ', '"grim"}')

    response = await client.responses.parse(model=MODEL, input="Hello", text_format=Mood)

    assert response.output_parsed == Mood(mood="grim")
    wanted = openai_chat.work[0].json["response_format"]
    named = wanted["json_schema"]
    assert (wanted["type"], named["name"], named["strict"]) == ("json_schema", "Mood", True)
    assert named["schema"]["properties"]["mood"]["type"] == "string"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_was_cut_off_is_incomplete(
    client: openai.AsyncOpenAI,
    stream: bool,  # noqa: FBT001 - a case
) -> None:
    answer = await client.responses.create(model=MODEL, input="Hello", max_output_tokens=2, stream=stream)
    if isinstance(answer, openai.AsyncStream):
        last = [event async for event in answer][-1]
        assert last.type == "response.incomplete"
        answer = last.response

    assert (answer.status, answer.output_text) == ("incomplete", "The speaker")
    assert answer.incomplete_details
    assert answer.incomplete_details.reason == "max_output_tokens"


async def test_reasoning_is_no_part_of_the_text(client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat) -> None:
    openai_chat.tokens = ("<think>Hm", ".</think>\n", "Yes.")

    response = await client.responses.create(model=MODEL, input="Hello", reasoning={"effort": "low"})

    assert response.output_text == "Yes."
    assert openai_chat.work[0].json["reasoning_effort"] == "low"


# What fails.


@pytest.mark.parametrize("fault", [StreamError(after=2), EndsEarly(after=2)])
async def test_a_failure_in_a_stream_is_an_event(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, fault: Any
) -> None:
    openai_chat.always(fault)

    body = {"input": "Hello", "stream": True}
    async with streaming_bridge.client.post("/v1/responses", json=body) as response:
        told = await all_events(response)

    assert [event.data["sequence_number"] for event in told] == list(range(len(told)))
    *_, error, failed = told
    assert (error.type, error.data["code"]) == ("error", "generator_failed")
    assert (failed.type, failed.data["response"]["error"]["code"]) == ("response.failed", "generator_failed")
    assert failed.data["response"]["output"][0]["content"][0]["text"] == "The speaker"


async def test_a_pod_that_fails_before_it_answers_goes_unnoticed(
    client: openai.AsyncOpenAI, openai_chat: FakeOpenAIChat
) -> None:
    openai_chat.script(HangUp())

    stream = await client.responses.create(model=MODEL, input="Hello", stream=True)

    kinds = [event.type async for event in stream]
    assert kinds.count("response.created") == 1
    assert kinds[-1] == "response.completed"


async def test_too_long_an_input_has_openais_code(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await client.responses.create(model=MODEL, input="word " * 5000)

    assert raised.value.code == "context_length_exceeded"
    assert "prompt is too long" in raised.value.message  # for LangChain, which looks at the text, too


@pytest.mark.parametrize("body", [b"[]", b'{"choices": "many"}', b'{"choices": [{"message": {"tool_calls": [5]}}]}'])
@pytest.mark.parametrize("stream", [False, True])
async def test_nonsense_of_the_model_server_is_an_error(
    streaming_bridge: Bridge,
    openai_chat: FakeOpenAIChat,
    body: bytes,
    stream: bool,  # noqa: FBT001 - a case
) -> None:
    def nonsense(received: Received) -> Answer | None:
        return Answer(body=body) if openai_chat.is_work(received) else None

    openai_chat.always(nonsense)

    async with streaming_bridge.client.post("/v1/responses", json={"input": "Hello", "stream": stream}) as response:
        if stream:
            assert (await all_events(response))[-1].data["response"]["error"]["code"] == "generator_bad_answer"
        else:
            assert (response.status, (await response.json())["error"]["code"]) == (502, "generator_bad_answer")


TEXT_ITEM = {"role": "user", "content": "Hello"}
INVALID: list[tuple[Json, str]] = [
    ({"input": None}, "input"),
    ({"input": []}, "input"),
    ({"input": ["Hello"]}, "input"),
    ({"input": [{"content": "Hello"}]}, "input"),
    ({"input": [{"role": "robot", "content": "Hello"}]}, "input"),
    ({"input": [{"role": "user", "content": 5}]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_dance"}]}]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://intranet/"}]}]}, "input"),
    ({"input": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, "input"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
    ({"input": [{"type": "computer_call"}]}, "input"),
    ({"input": [{"type": "function_call", "name": "f", "arguments": {}}]}, "input"),
    ({"instructions": 5}, "instructions"),
    ({"model": 5}, "model"),
    ({"stream": "yes"}, "stream"),
    ({"text": "json"}, "text"),
    ({"text": {"format": "json"}}, "text"),
    ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text"),
    ({"reasoning": "high"}, "reasoning"),
    ({"tools": {}}, "tools"),
    ({"tools": [{"type": "web_search"}]}, "tools"),
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"tools": [WEATHER], "tool_choice": "weather"}, "tool_choice"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"background": True}, "background"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
]


@pytest.mark.parametrize(("members", "param"), INVALID)
async def test_what_cannot_be_answered_is_refused(
    streaming_bridge: Bridge, openai_chat: FakeOpenAIChat, members: Json, param: str
) -> None:
    async with streaming_bridge.client.post("/v1/responses", json={"input": [TEXT_ITEM], **members}) as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"], error["param"]) == (400, "bad_field", param)
    assert openai_chat.work == []


async def test_a_body_that_is_not_json_is_refused(streaming_bridge: Bridge) -> None:
    async with streaming_bridge.client.post("/v1/responses", data=b"Hello") as response:
        error = (await response.json())["error"]

    assert (response.status, error["code"]) == (400, "bad_json")
    assert "'input'" in error["message"]
