"""llama.cpp's server: FakeOpenAIChat against xllamacpp with SmolLM2."""

from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from contract.shapes import NUMBER, Exactly, Maybe, assert_shape
from contract.streams import sse

QUESTION = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
USAGE = {
    "prompt_tokens": int,
    "completion_tokens": int,
    "total_tokens": int,
    "prompt_tokens_details": {"cached_tokens": int},
}
TIMINGS = {"prompt_n": int, "prompt_ms": NUMBER, "predicted_n": int, "predicted_ms": NUMBER, ...: ...}
FRAME = {"id": str, "created": int, "model": str, "system_fingerprint": str}


async def ask(http: ClientSession, url: str, **body: Any) -> ClientResponse:
    return await http.post(f"{url}/v1/chat/completions", json={**QUESTION, **body})


def error(status: int, kind: str, **more: Any) -> dict[str, Any]:
    return {"error": {"code": Exactly(status), "message": str, "type": Exactly(kind), **more}}


async def test_health_is_ok(llm: str, http: ClientSession) -> None:
    answer = await http.get(f"{llm}/health")

    assert answer.status == 200
    assert await answer.json() == {"status": "ok"}


async def test_models_say_their_context(llm: str, http: ClientSession) -> None:
    answer = await http.get(f"{llm}/v1/models")

    assert answer.status == 200
    model = {
        "id": str,
        "object": Exactly("model"),
        "created": int,
        "owned_by": Exactly("llamacpp"),
        "meta": {"n_ctx": int, "n_ctx_train": int, ...: ...},
        ...: ...,
    }
    assert_shape(await answer.json(), {"object": Exactly("list"), "data": [model], ...: ...})


async def test_completion(llm: str, http: ClientSession) -> None:
    answer = await ask(http, llm)

    assert answer.status == 200
    assert answer.content_type == "application/json"
    choice = {
        "index": Exactly(0),
        "message": {"role": Exactly("assistant"), "content": str},
        "finish_reason": Exactly("stop", "length"),
    }
    frame = {**FRAME, "object": Exactly("chat.completion"), "usage": USAGE, "timings": TIMINGS}
    assert_shape(await answer.json(), {**frame, "choices": [choice]})


async def test_completion_cut_by_max_tokens_says_length(llm: str, http: ClientSession) -> None:
    answer = await (await ask(http, llm, max_tokens=2)).json()

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2


async def test_stream_opens_with_the_role_and_closes_with_the_reason(llm: str, http: ClientSession) -> None:
    answer = await ask(http, llm, max_tokens=2, stream=True)
    chunks, done = await sse(answer)

    assert answer.status == 200
    assert answer.content_type == "text/event-stream"
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert done
    frame = {**FRAME, "object": Exactly("chat.completion.chunk")}
    first, *tokens, last = chunks
    opening = {"index": Exactly(0), "finish_reason": None, "delta": {"role": Exactly("assistant"), "content": None}}
    assert_shape(first, {**frame, "choices": [opening]})
    token = {"index": Exactly(0), "finish_reason": None, "delta": {"content": str}}
    assert_shape(tokens, [{**frame, "choices": [token]}])
    closing = {"index": Exactly(0), "finish_reason": Exactly("length"), "delta": Exactly({})}
    assert_shape(last, {**frame, "choices": [closing], "timings": TIMINGS})


async def test_stream_with_usage_has_one_more_chunk_without_choices(llm: str, http: ClientSession) -> None:
    answer = await ask(http, llm, max_tokens=2, stream=True, stream_options={"include_usage": True})
    chunks, done = await sse(answer)

    assert done
    assert chunks[-2]["choices"][0]["finish_reason"] == "length"
    last = {**FRAME, "object": Exactly("chat.completion.chunk"), "choices": Exactly([]), "usage": USAGE}
    assert_shape(chunks[-1], {**last, "timings": Maybe(TIMINGS)})


async def test_unknown_model_is_answered_all_the_same(llm: str, http: ClientSession) -> None:
    assert (await ask(http, llm, model="no-such-model")).status == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_prompt_over_the_context_is_refused(llm: str, http: ClientSession, *, stream: bool) -> None:
    answer = await ask(http, llm, messages=[{"role": "user", "content": "word " * 5000}], stream=stream)

    assert answer.status == 400
    assert answer.headers["Connection"] == "close"
    assert_shape(await answer.json(), error(400, "exceed_context_size_error", n_prompt_tokens=int, n_ctx=Exactly(4096)))


async def test_missing_messages_are_refused(llm: str, http: ClientSession) -> None:
    answer = await http.post(f"{llm}/v1/chat/completions", json={})

    assert answer.status == 400
    assert_shape(await answer.json(), error(400, "invalid_request_error"))


async def test_broken_json_is_refused(llm: str, http: ClientSession) -> None:
    answer = await http.post(f"{llm}/v1/chat/completions", data=b"{bad", headers={"Content-Type": "application/json"})

    assert answer.status == 400
    assert_shape(await answer.json(), error(400, "invalid_request_error"))


async def test_unknown_route_is_not_found(llm: str, http: ClientSession) -> None:
    answer = await http.get(f"{llm}/nothing/here")

    assert answer.status == 404
    assert_shape(await answer.json(), error(404, "not_found_error"))
