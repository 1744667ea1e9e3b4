"""The OpenAPI document against the bridge: the same routes, a valid document, and answers that keep what it says."""

import asyncio
import base64
import io
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from threading import Thread
from typing import Any

import pytest
import schemathesis
import uvloop
from aiohttp import web
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from fakes.ollama import FakeOllama
from fakes.openai_chat import FakeOpenAIChat
from fakes.server import FakeUpstream
from fakes.speech_whisper import FakeSpeechWhisper
from fakes.whisper import FakeAsrWebservice
from speechbridge.app import create_app
from speechbridge.openapi.document import document
from speechbridge.settings import Settings

pytestmark = pytest.mark.unit

Json = dict[str, Any]

MODEL = "smollm2:135m"
EXAMPLES = 15
"""Requests per route and stack that are drawn at random, beside those that schemathesis derives from the schemas."""


def recording() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32))
    return file.getvalue()


def known_here() -> Json:
    """The document, narrowed to what can succeed here: models and recordings that are there. Answers are closed.

    So an answer fails with a member that the document does not have, and a request for another model has to fail.
    """
    described = deepcopy(document())
    for path in described["paths"].values():
        body = path.get("post", {}).get("requestBody", {}).get("content", {}).get("multipart/form-data")
        if body:
            speech = path["post"]["operationId"] != "process"
            body["schema"]["additionalProperties"] = False
            body["schema"]["properties"]["model"]["enum"] = ["whisper-1"] if speech else [MODEL]
            for field in body["schema"]["properties"].values():
                field.get("enum", []).append("")  # a blank field counts as missing
        for answer in path.get("post", {}).get("responses", {}).values():
            stream = answer["content"].get("text/event-stream")
            if stream:
                stream["schema"] = one_event(stream["x-events"], named=path["post"]["operationId"] == "process")
    schemas = described["components"]["schemas"]
    schemas["ChatRequest"]["properties"]["model"]["enum"] = [MODEL, "", None]
    schemas["AudioPart"]["properties"]["input_audio"]["properties"]["data"] = {
        "const": base64.b64encode(recording()).decode()
    }
    for schema in schemas.values():
        schema.setdefault("additionalProperties", False)
    return described


def one_event(events: Json, *, named: bool) -> Json:
    """What schemathesis is to find in each event of a stream; for it `schema` describes one event, not the stream."""
    kinds = [
        {
            "properties": {
                "event": {"const": name if named else "message"},
                "data": {"contentMediaType": "application/json", "contentSchema": schema},
            }
        }
        for name, schema in events.items()
    ]
    end = {"properties": {"data": {"const": "[DONE]"}}}
    return {"type": "object", "required": ["data"], "anyOf": [*kinds, end]}


schemathesis.openapi.media_type("audio/wav", st.just(recording()))
config = SchemathesisConfig.from_dict(
    {
        "seed": 1,
        "generation": {"deterministic": True, "max-examples": EXAMPLES, "no-shrink": True, "database": "none"},
        "phases": {"stateful": {"enabled": False}},
        "request-timeout": 10,
    }
)
api = schemathesis.openapi.from_dict(known_here(), config=config)


@asynccontextmanager
async def serving(*upstreams: FakeUpstream, **settings: Any) -> AsyncIterator[str]:
    """Run a bridge on a free port, and its upstreams: Whisper, then the language model."""
    async with AsyncExitStack() as stack:
        whisper, llm = [await stack.enter_async_context(upstream) for upstream in upstreams]
        app = create_app(Settings(whisper_url=whisper.url, ollama_url=llm.url, models=MODEL, **settings))
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"


def serve(stack: str) -> Any:
    if stack == "older":
        return serving(FakeAsrWebservice(accepts_anything=True), FakeOllama())
    whisper = FakeSpeechWhisper(model="small", accepts_anything=True)
    return serving(whisper, FakeOpenAIChat(model=MODEL), transcriber="openai", generator="openai")


@pytest.fixture(scope="module", params=["older", "openai"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A bridge in a loop of its own: schemathesis calls it as any client does, and blocks while it waits."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        thread = Thread(target=loop.run_forever)
        serving_ = serve(request.param)
        thread.start()
        try:
            yield asyncio.run_coroutine_threadsafe(serving_.__aenter__(), loop).result(10)
        finally:
            asyncio.run_coroutine_threadsafe(serving_.__aexit__(None, None, None), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


@api.parametrize()
def test_requests_of_all_kinds_get_answers_as_described(case: schemathesis.Case, url: str) -> None:
    case.call_and_validate(base_url=url)
