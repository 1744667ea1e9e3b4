"""Options of the language model on their way from the form of /process to each kind of model server."""

import json
from typing import Any

import pytest

from bridge.running import WAV, Bridge, StartBridge, form
from bridge.wire import all_events, types
from fakes.faults import Answer
from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.whisper import FakeAsrWebservice

pytestmark = pytest.mark.unit

Json = dict[str, Any]
SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
NAMED = {"type": "json_schema", "json_schema": {"name": "mood", "strict": True, "schema": SCHEMA}}


@pytest.fixture
async def openai_bridge(start_bridge: StartBridge, asr: FakeAsrWebservice, openai_chat: FakeOpenAIChat) -> Bridge:
    return await start_bridge(
        whisper_url=asr.url, llm_url=openai_chat.url, generator="openai", models="smollm2", prompt_prefill=True
    )


@pytest.fixture
async def ollama_bridge(start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama) -> Bridge:
    return await start_bridge(whisper_url=asr.url, llm_url=ollama.url, prompt_prefill=True)


CASES: list[tuple[Json, Json, Json]] = [
    ({"temperature": "0.5"}, {"options": {"temperature": 0.5}}, {"temperature": 0.5}),
    ({"max_tokens": "5"}, {"options": {"num_predict": 5}}, {"max_tokens": 5}),
    ({"seed": "-7"}, {"options": {"seed": -7}}, {"seed": -7}),
    ({"stop": "\n"}, {"options": {"stop": ["\n"]}}, {"stop": ["\n"]}),
    ({"stop": '["END", "\\n"]'}, {"options": {"stop": ["END", "\n"]}}, {"stop": ["END", "\n"]}),
    ({"stop": "[END]"}, {"options": {"stop": ["[END]"]}}, {"stop": ["[END]"]}),
    ({"response_format": "json_object"}, {"format": "json"}, {"response_format": {"type": "json_object"}}),
    ({"response_format": json.dumps(NAMED)}, {"format": SCHEMA}, {"response_format": NAMED}),
    (
        {"response_format": json.dumps(SCHEMA)},
        {"format": SCHEMA},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}},
    ),
    ({"think": "false"}, {"think": False}, {"chat_template_kwargs": {"enable_thinking": False}}),
    ({"think": "high"}, {"think": "high"}, {"reasoning_effort": "high"}),
    ({"response_format": "text", "temperature": "", "stop": ""}, {}, {}),
]


@pytest.mark.parametrize("case", range(len(CASES)))
async def test_options_reach_the_model_server_in_its_own_words(
    ollama_bridge: Bridge, openai_bridge: Bridge, ollama: FakeOllama, openai_chat: FakeOpenAIChat, case: int
) -> None:
    fields, of_ollama, of_openai = CASES[case]

    for bridge in (ollama_bridge, openai_bridge):
        assert (await bridge.json(**fields))[0] == 200

    everywhere = {"model", "messages", "stream"}
    sent = ollama.work[-1].json
    assert {name: sent[name] for name in sent.keys() - everywhere - {"truncate", "shift"}} == of_ollama
    sent = openai_chat.work[-1].json
    assert {name: sent[name] for name in sent.keys() - everywhere - {"stream_options"}} == of_openai


async def test_a_prefill_has_the_options_of_its_request(
    ollama_bridge: Bridge, openai_bridge: Bridge, ollama: FakeOllama, openai_chat: FakeOpenAIChat
) -> None:
    fields = {"temperature": "0", "seed": "7", "think": "true", "response_format": json.dumps(SCHEMA), "stop": "END"}
    await ollama_bridge.json(**fields, max_tokens="500", keep_alive="30m")
    await openai_bridge.json(**fields, max_tokens="500")

    prefill, request = (received.json for received in ollama.work)
    assert prefill.pop("options") == {**request.pop("options"), "num_predict": 1}
    assert {**prefill, "stream": True, "messages": None} == {**request, "messages": None}
    assert request["keep_alive"] == "30m"
    prefill, request = (received.json for received in openai_chat.work)
    assert {**request, "max_tokens": 1, "messages": None} == {
        **prefill,
        "messages": None,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_stop_may_be_sent_several_times(bridge: Bridge, ollama: FakeOllama) -> None:
    data = form(WAV, stop="END")
    data.add_field("stop", "\n\n")

    async with bridge.client.post("/process", data=data) as response:
        assert response.status == 200

    assert ollama.work[0].json["options"]["stop"] == ["END", "\n\n"]


@pytest.mark.parametrize(
    ("fields", "instructions"),
    [
        ({"system": "You answer in French.", "prompt": "Summarise:"}, "You answer in French.\n\nSummarise:"),
        ({"system": "You answer in French."}, "You answer in French."),
        ({}, "Process this transcription:"),
    ],
)
async def test_system_comes_before_the_prompt_in_one_message(
    bridge: Bridge, ollama: FakeOllama, fields: dict[str, str], instructions: str
) -> None:
    await bridge.json(**fields)

    system, user = ollama.work[0].json["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert system["content"].partition("\n\n")[2] == instructions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "warm"),
        ("temperature", "2.1"),
        ("temperature", "nan"),
        ("max_tokens", "0"),
        ("max_tokens", "1.5"),
        ("max_tokens", "9" * 5000),
        ("seed", "²"),
        ("stop", "[1]"),
        ("stop", json.dumps(["END"] * 17)),
        ("response_format", "verbose_json"),
        ("response_format", "[" * 100_000),
        ("response_format", '{"type": "json_schema"}'),
        ("response_format", '{"type": "json_schema", "json_schema": {"name": "a b", "schema": {}}}'),
        ("response_format", '{"type": "json_schema", "json_schema": {"strict": 1, "schema": {}}}'),
        ("think", "hard"),
        ("keep_alive", "soon"),
        ("keep_alive", "1" * 100),
    ],
)
async def test_an_invalid_option_is_rejected_before_whisper_works(
    bridge: Bridge, asr: FakeAsrWebservice, name: str, value: str
) -> None:
    status, problem = await bridge.json(**{name: value})

    assert (status, problem["code"], problem["param"]) == (400, "bad_field", name)
    assert not asr.work


async def test_keep_alive_is_rejected_where_the_server_has_none(openai_bridge: Bridge) -> None:
    status, problem = await openai_bridge.json(keep_alive="30m")

    assert (status, problem["param"]) == (400, "keep_alive")


@pytest.mark.parametrize(("field", "sent"), [("", False), ("true", True), ("low", "low")])
async def test_the_setting_think_is_the_default(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama, field: str, sent: object
) -> None:
    bridge = await start_bridge(whisper_url=asr.url, llm_url=ollama.url, think="false")

    await bridge.json(think=field)

    assert ollama.work[0].json["think"] == sent


# Reasoning.

REASONING = ("<th", "ink>\nThe user wants", " a summary.</thi", "nk>\n\n", "It is", " the ten of clubs.")


@pytest.mark.parametrize("openai", [False, True])
async def test_reasoning_in_the_text_is_no_part_of_the_response(
    ollama_bridge: Bridge,
    openai_bridge: Bridge,
    ollama: FakeOllama,
    openai_chat: FakeOpenAIChat,
    openai: bool,  # noqa: FBT001 - a case
) -> None:
    bridge, model = (openai_bridge, openai_chat) if openai else (ollama_bridge, ollama)
    model.tokens = REASONING

    _, answer = await bridge.json()
    async with await bridge.process(stream="true") as response:
        told = await all_events(response)

    deltas = [event.data["text"] for event in told if event.type == "response.delta"]
    assert answer["response"] == "".join(deltas) == "It is the ten of clubs."
    assert answer["warnings"] == []


def ollama_reasons(*texts: str, done_reason: str = "stop") -> Answer:
    lines = [{"message": {"thinking": text, "content": ""}} for text in texts]
    last = {"message": {"content": ""}, "done": True, "done_reason": done_reason, "eval_count": 9}
    return Answer(body=b"".join(json.dumps(line).encode() + b"\n" for line in [*lines, last]))


def openai_reasons(*texts: str, done_reason: str = "stop") -> Answer:
    chunks = [{"choices": [{"delta": {"reasoning_content": text}}]} for text in texts]
    last = {"choices": [{"delta": {}, "finish_reason": done_reason}]}
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in [*chunks, last])
    return Answer(body=f"{events}data: [DONE]\n\n".encode(), content_type="text/event-stream")


@pytest.mark.parametrize(
    ("reason", "warnings"), [("stop", ["empty_response"]), ("length", ["length", "empty_response"])]
)
async def test_a_response_of_reasoning_alone_is_a_warning(
    ollama_bridge: Bridge,
    openai_bridge: Bridge,
    ollama: FakeOllama,
    openai_chat: FakeOpenAIChat,
    reason: str,
    warnings: list[str],
) -> None:
    ollama.always(ollama_reasons("Hm", "...", done_reason=reason))
    openai_chat.always(openai_reasons("Hm", "...", done_reason=reason))

    for bridge in (ollama_bridge, openai_bridge):
        got, answer = await bridge.json()
        async with await bridge.process(stream="true") as response:
            told = await all_events(response)

        assert (got, answer["response"], answer["finish_reason"]) == (200, "", reason)
        assert [warning["code"] for warning in answer["warnings"]] == warnings
        assert types(told) == ["transcript.done", "response.done"]


async def test_text_before_an_error_in_the_same_packet_is_kept(bridge: Bridge, ollama: FakeOllama) -> None:
    ollama.always(Answer(body=b'{"message":{"content":"Half an answer"}}\n{"error":"out of memory"}\n'))

    async with await bridge.process(stream="true") as response:
        told = await all_events(response)

    assert types(told) == ["transcript.done", "response.delta", "error", "response.done"]
    assert told[-1].data["partial_response"] == "Half an answer"


async def test_the_last_line_of_ollama_needs_no_line_feed(bridge: Bridge, ollama: FakeOllama) -> None:
    ollama.always(Answer(body=b'{"message":{"content":"Yes."}}\n{"message":{"content":""},"done":true}'))

    _, answer = await bridge.json()

    assert (answer["response"], answer["finish_reason"]) == ("Yes.", "stop")


async def test_a_model_has_options_of_its_own_and_those_of_the_request_have_precedence(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    own = {"smollm2:135m": {"options": {"num_ctx": 2048, "top_p": 0.5, "temperature": 1}, "keep_alive": "1h"}}
    bridge = await start_bridge(
        whisper_url=asr.url,
        llm_url=ollama.url,
        models="smollm2:135m",
        context_length=4096,
        keep_alive="5m",
        model_options=json.dumps(own),
    )

    await bridge.json(temperature="0")
    await bridge.json(keep_alive="-1")

    first, second = (received.json for received in ollama.work if received.json.get("stream"))
    assert first["options"] == {"num_ctx": 2048, "top_p": 0.5, "temperature": 0}
    assert (first["keep_alive"], second["keep_alive"]) == ("1h", -1)
    assert len(ollama.loads) == 1


async def test_other_models_have_the_options_of_all(
    start_bridge: StartBridge, asr: FakeAsrWebservice, ollama: FakeOllama
) -> None:
    bridge = await start_bridge(
        whisper_url=asr.url,
        llm_url=ollama.url,
        context_length=4096,
        model_options='{"llama3": {"options": {"num_ctx": 2048}}}',
    )

    await bridge.json()

    assert ollama.work[-1].json["options"] == {"num_ctx": 4096}
