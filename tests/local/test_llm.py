"""The language model as a program of its own, with its real weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from speechlocal import models
from speechlocal.children import Child, free_port, running
from speechlocal.errors import ChildError
from speechlocal.stack import address, llm_program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.component


@pytest.fixture
async def serving() -> AsyncIterator[tuple[str, Child]]:
    port = free_port()
    async with running([llm_program(port)]) as processes:
        yield address(port), processes.children[0]


async def chat(url: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    messages = [{"role": "user", "content": "Say hello to a good friend."}]
    asked = {"messages": messages, "max_tokens": 20, "temperature": 0} | fields
    async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/chat/completions", json=asked) as answer:
        return answer.status, await answer.json()


async def test_it_answers_and_remembers_the_prompt(serving: tuple[str, Child]) -> None:
    url, _ = serving

    _, first = await chat(url)
    _, second = await chat(url)

    assert first["choices"][0]["message"]["content"]
    assert first["model"] == models.LLM_NAME
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > 0


async def test_a_prompt_that_does_not_fit_is_rejected(serving: tuple[str, Child]) -> None:
    status, answer = await chat(serving[0], messages=[{"role": "user", "content": "word " * 5000}])

    assert status == 400
    assert answer["error"]["type"] == "exceed_context_size_error"


async def test_it_ends_at_once_when_asked_to(serving: tuple[str, Child], left_running: Callable[[], list[str]]) -> None:
    await serving[1].stop(within_s=60)

    assert left_running() == []


async def test_a_port_that_is_taken_is_reported(serving: tuple[str, Child]) -> None:
    taken = int(serving[0].rpartition(":")[2])
    with pytest.raises(ChildError, match="bind"):
        async with running([llm_program(taken)]) as processes:
            await processes.wait_end()
