"""Ollama: FakeOllama against Ollama 0.17.4 with smollm2:135m.

Two answers of the fake are from Ollama's source alone, since nothing brings a healthy server to give them: 503 when its
queue is full (server/sched.go, ErrMaxQueue), and the error line inside a stream (server/routes.go, streamResponse).
"""

from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from contract.shapes import Exactly, assert_shape
from contract.streams import ndjson, sse

MODEL = "smollm2:135m"
MESSAGES = [{"role": "user", "content": "Say hello."}]
SMALL = {"num_ctx": 128, "num_thread": 1}  # more threads spin against each other where the cores are shared
FEW_TOKENS = {**SMALL, "num_predict": 3}
TOO_MUCH = [{"role": "user", "content": "word " * 300}]

METRICS = {
    "total_duration": int,
    "load_duration": int,
    "prompt_eval_count": int,
    "prompt_eval_duration": int,
    "eval_count": int,
    "eval_duration": int,
}
DETAILS = {
    "parent_model": str,
    "format": Exactly("gguf"),
    "family": str,
    "families": [str],
    "parameter_size": str,
    "quantization_level": str,
}
USAGE = {"prompt_tokens": int, "completion_tokens": int, "total_tokens": int}
FRAME = {"id": str, "created": int, "model": Exactly(MODEL), "system_fingerprint": Exactly("fp_ollama")}


async def chat(http: ClientSession, url: str, **body: Any) -> ClientResponse:
    request = {"model": MODEL, "messages": MESSAGES, "options": FEW_TOKENS, **body}
    return await http.post(f"{url}/api/chat", json=request)


def line(*, done: bool, **more: Any) -> dict[str, Any]:
    message = {"role": Exactly("assistant"), "content": str}
    return {"model": Exactly(MODEL), "created_at": str, "message": message, "done": Exactly(done), **more}


def generated(*, done: bool, **more: Any) -> dict[str, Any]:
    return {"model": Exactly(MODEL), "created_at": str, "response": str, "done": Exactly(done), **more}


async def test_version(ollama: str, http: ClientSession) -> None:
    answer = await http.get(f"{ollama}/api/version")

    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert await answer.json() == {"version": "0.17.4"}


async def test_root_says_that_it_runs(ollama: str, http: ClientSession) -> None:
    assert await (await http.get(ollama)).text() == "Ollama is running"


async def test_tags_list_models_with_their_digests(ollama: str, http: ClientSession) -> None:
    answer = await (await http.get(f"{ollama}/api/tags")).json()

    model = {"name": str, "model": str, "modified_at": str, "size": int, "digest": str, "details": DETAILS}
    assert_shape(answer, {"models": [model]})
    assert MODEL in {model["name"] for model in answer["models"]}
    assert all(len(model["digest"]) == 64 for model in answer["models"])


async def test_show_tells_the_context_length_under_the_architectures_name(ollama: str, http: ClientSession) -> None:
    answer = await (await http.post(f"{ollama}/api/show", json={"model": MODEL})).json()

    architecture = answer["model_info"]["general.architecture"]
    assert isinstance(answer["model_info"][f"{architecture}.context_length"], int)
    assert "completion" in answer["capabilities"]
    assert_shape(answer["details"], DETAILS)


async def test_show_of_an_unknown_model_is_not_found(ollama: str, http: ClientSession) -> None:
    answer = await http.post(f"{ollama}/api/show", json={"model": "nobody:knows"})

    assert answer.status == 404
    assert await answer.json() == {"error": "model 'nobody:knows' not found"}


async def test_chat_streams_lines_and_the_last_one_is_done(ollama: str, http: ClientSession) -> None:
    answer = await chat(http, ollama)
    *tokens, last = await ndjson(answer)

    assert answer.status == 200
    assert answer.content_type == "application/x-ndjson"
    assert_shape(tokens, [line(done=False)])
    assert_shape(last, line(done=True, done_reason=Exactly("stop", "length"), **METRICS))
    assert last["message"]["content"] == ""


async def test_chat_cut_by_num_predict_says_length(ollama: str, http: ClientSession) -> None:
    *tokens, last = await ndjson(await chat(http, ollama, options={**SMALL, "num_predict": 2}))

    assert len(tokens) == 2
    assert last["done_reason"] == "length"
    assert last["eval_count"] == 2


async def test_chat_without_stream_is_one_object(ollama: str, http: ClientSession) -> None:
    answer = await chat(http, ollama, stream=False)

    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    whole = await answer.json()
    assert_shape(whole, line(done=True, done_reason=Exactly("stop", "length"), **METRICS))
    assert whole["message"]["content"]


async def test_chat_without_messages_only_loads(ollama: str, http: ClientSession) -> None:
    answer = await chat(http, ollama, messages=[])

    assert answer.content_type == "application/json"
    loaded = await answer.json()
    assert_shape(loaded, line(done=True, done_reason=Exactly("load")))
    assert loaded["message"]["content"] == ""


async def test_ps_tells_the_context_of_the_last_load(ollama: str, http: ClientSession) -> None:
    await chat(http, ollama, messages=[], options=SMALL)
    await chat(http, ollama, messages=[], options={**SMALL, "num_ctx": 256})
    answer = await (await http.get(f"{ollama}/api/ps")).json()

    running = {"name": Exactly(MODEL), "model": Exactly(MODEL), "size": int, "digest": str, "details": DETAILS}
    more = {"expires_at": str, "size_vram": int, "context_length": Exactly(256)}
    assert_shape(answer, {"models": [{**running, **more}]})


async def test_keep_alive_of_zero_unloads(ollama: str, http: ClientSession) -> None:
    await chat(http, ollama, messages=[])
    answer = await (await chat(http, ollama, messages=[], keep_alive=0)).json()

    assert_shape(answer, line(done=True, done_reason=Exactly("unload")))


async def test_unknown_model_is_not_found(ollama: str, http: ClientSession) -> None:
    answer = await chat(http, ollama, model="nobody:knows")

    assert answer.status == 404
    assert await answer.json() == {"error": "model 'nobody:knows' not found"}


async def test_long_prompt_loses_its_front_silently(ollama: str, http: ClientSession) -> None:
    *_, last = await ndjson(await chat(http, ollama, messages=TOO_MUCH, options={**SMALL, "num_predict": 1}))

    assert last["done"] is True
    assert last["prompt_eval_count"] <= 128


async def test_long_prompt_is_refused_when_it_may_not_be_truncated(ollama: str, http: ClientSession) -> None:
    answer = await chat(http, ollama, messages=TOO_MUCH, truncate=False, shift=False)

    assert answer.status == 400
    assert await answer.json() == {"error": "the input length exceeds the context length"}


async def test_missing_body_is_refused(ollama: str, http: ClientSession) -> None:
    answer = await http.post(f"{ollama}/api/chat")

    assert answer.status == 400
    assert await answer.json() == {"error": "missing request body"}


async def test_missing_model_is_refused(ollama: str, http: ClientSession) -> None:
    answer = await http.post(f"{ollama}/api/chat", json={"messages": MESSAGES})

    assert answer.status == 400
    assert await answer.json() == {"error": "model is required"}


async def test_broken_json_is_refused(ollama: str, http: ClientSession) -> None:
    answer = await http.post(f"{ollama}/api/chat", data=b"{bad")

    assert answer.status == 400
    assert_shape(await answer.json(), {"error": str})


async def test_generate_ends_with_the_context(ollama: str, http: ClientSession) -> None:
    answer = await http.post(
        f"{ollama}/api/generate", json={"model": MODEL, "prompt": "Say hello.", "options": FEW_TOKENS}
    )
    *tokens, last = await ndjson(answer)

    assert_shape(tokens, [generated(done=False)])
    more = {"done_reason": Exactly("stop", "length"), "context": [int]}
    assert_shape(last, generated(done=True, **more, **METRICS))


async def test_generate_without_a_prompt_only_loads(ollama: str, http: ClientSession) -> None:
    answer = await http.post(f"{ollama}/api/generate", json={"model": MODEL, "options": FEW_TOKENS})

    assert_shape(await answer.json(), generated(done=True, done_reason=Exactly("load")))


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/nothing", 404), ("GET", "/api/chat", 405)])
async def test_other_routes_and_methods_are_plain_text(
    ollama: str, http: ClientSession, method: str, path: str, status: int
) -> None:
    answer = await http.request(method, f"{ollama}{path}")

    assert answer.status == status
    assert answer.content_type == "text/plain"


async def test_openai_door_lists_models(ollama: str, http: ClientSession) -> None:
    answer = await (await http.get(f"{ollama}/v1/models")).json()

    model = {"id": str, "object": Exactly("model"), "created": int, "owned_by": str}
    assert_shape(answer, {"object": Exactly("list"), "data": [model]})


async def test_openai_door_completes(ollama: str, http: ClientSession) -> None:
    body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 3}
    answer = await (await http.post(f"{ollama}/v1/chat/completions", json=body)).json()

    message = {"role": Exactly("assistant"), "content": str}
    choice = {"index": Exactly(0), "message": message, "finish_reason": Exactly("stop", "length")}
    assert_shape(answer, {**FRAME, "object": Exactly("chat.completion"), "choices": [choice], "usage": USAGE})


async def test_openai_door_streams(ollama: str, http: ClientSession) -> None:
    body = {"model": MODEL, "messages": MESSAGES, "max_tokens": 3, "stream": True}
    answer = await http.post(f"{ollama}/v1/chat/completions", json={**body, "stream_options": {"include_usage": True}})
    (*tokens, last, usage), done = await sse(answer)

    assert answer.content_type == "text/event-stream"
    assert done
    frame = {**FRAME, "object": Exactly("chat.completion.chunk")}
    delta = {"role": Exactly("assistant"), "content": str}
    assert_shape(tokens, [{**frame, "choices": [{"index": Exactly(0), "delta": delta, "finish_reason": None}]}])
    closing = {"index": Exactly(0), "delta": delta, "finish_reason": Exactly("stop", "length")}
    assert_shape(last, {**frame, "choices": [closing]})
    assert_shape(usage, {**frame, "choices": Exactly([]), "usage": USAGE})


async def test_openai_door_calls_an_unknown_model_an_api_error(ollama: str, http: ClientSession) -> None:
    body = {"model": "nobody:knows", "messages": MESSAGES}
    answer = await http.post(f"{ollama}/v1/chat/completions", json=body)

    assert answer.status == 404
    message = Exactly("model 'nobody:knows' not found")
    assert_shape(
        await answer.json(), {"error": {"message": message, "type": Exactly("api_error"), "param": None, "code": None}}
    )
