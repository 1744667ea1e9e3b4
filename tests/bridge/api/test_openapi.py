"""The OpenAPI document is valid, lists the routes of the bridge, and describes its responses."""

import asyncio
import base64
import io
import json
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from threading import Thread
from typing import Any

import jsonschema_rs
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
from speechbridge.api.openapi.document import document
from speechbridge.api.openapi.problems import WHEN
from speechbridge.api.server import Runner
from speechbridge.app import connection_limits, create_app
from speechbridge.errors import PROBLEMS
from speechbridge.intake import fields
from speechbridge.service import SERVICE
from speechbridge.settings import Settings
from speechbridge.upstreams import sse

pytestmark = pytest.mark.unit

Json = dict[str, Any]

MODEL = "smollm2:135m"
EXAMPLES = 15
"""Random requests per route and stack, in addition to those that schemathesis derives from the schemas."""


def recording() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(32))
    return file.getvalue()


def known_here() -> Json:
    """The document, limited to what can succeed here: existing models, languages and recordings. Responses are closed.

    So an answer fails with a member that the document does not have, and a request for another model has to fail.
    """
    described = deepcopy(document())
    for path in described["paths"].values():
        body = path.get("post", {}).get("requestBody", {}).get("content", {}).get("multipart/form-data")
        if body:
            speech = path["post"]["operationId"] != "process"
            body["schema"]["additionalProperties"] = False
            body["schema"]["properties"]["model"]["enum"] = ["whisper-1"] if speech else [MODEL]
            body["schema"]["properties"]["language"]["enum"] = ["en", "en-US", "German", "iw", "auto"]
            if not speech:
                body["schema"]["properties"]["response_format"]["enum"] = ["text", "json_object"]
                body["schema"]["properties"]["keep_alive"]["enum"] = []  # its values are a pattern, and Ollama's only
                del body["schema"]["properties"]["stop"]  # blank values do not count, so more than four may be right
            for field in body["schema"]["properties"].values():
                field.get("enum", []).append("")  # a blank field counts as missing
                if field.get("type") == "integer":
                    field |= {"type": ["integer", "string"], "pattern": "^ *[0-9]{0,4} *$"}
                if field.get("type") == "string" and not field.keys() & {"enum", "format"}:
                    # In a form, all of them are text; no values are no field, and one value is that field.
                    field |= {"type": ["string", "boolean", "number", "object", "array"], "maxItems": 1}
        for answer in path.get("post", {}).get("responses", {}).values():
            stream = answer["content"].get("text/event-stream")
            if stream:
                named = path["post"]["operationId"] in {"process", "createResponse"}
                stream["schema"] = one_event(stream["x-events"], named=named)
    schemas = described["components"]["schemas"]
    limit_chats(schemas)
    for schema in schemas.values():
        schema.setdefault("additionalProperties", False)
    return described


def limit_chats(schemas: Json) -> None:
    """Limit the bodies in JSON to what can succeed here."""
    schemas["ChatRequest"]["properties"]["model"]["enum"] = [MODEL, "", None]
    encoded = base64.b64encode(recording()).decode()
    # Not `data` alone: base64 without padding is accepted, so most texts that are invalid here would be recordings.
    schemas["AudioPart"]["properties"]["input_audio"] = {"const": {"data": encoded, "format": "wav"}}
    schemas["AudioUrlPart"]["properties"]["audio_url"]["properties"]["url"] = {"const": f"data:;base64,{encoded}"}
    asked = schemas["ResponseRequest"]["properties"]
    asked["model"]["enum"] = [MODEL, "", None]
    asked["input"] = {"type": "string"}
    for left_to_the_model_server in asked.keys() - {"model", "input", "instructions", "stream"}:
        del asked[left_to_the_model_server]


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
async def serving(whisper: FakeUpstream, llm: FakeUpstream, **settings: Any) -> AsyncIterator[str]:
    """Run a bridge on a free port, and its upstreams; yield its address."""
    async with AsyncExitStack() as stack:
        for upstream in (whisper, llm):
            await stack.enter_async_context(upstream)
        chosen = Settings(whisper_url=whisper.url, ollama_url=llm.url, models=MODEL, **settings)
        app = create_app(chosen)
        runner = Runner(app, connection_limits(chosen), app[SERVICE].metrics, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"


@asynccontextmanager
async def older_upstreams() -> AsyncIterator[str]:
    async with serving(FakeAsrWebservice(accepts_anything=True), FakeOllama()) as url:
        yield url


@asynccontextmanager
async def openai_upstreams() -> AsyncIterator[str]:
    whisper, llm = FakeSpeechWhisper(model="small", accepts_anything=True), FakeOpenAIChat(model=MODEL)
    whisper.audio_tracks = 10_000
    async with serving(whisper, llm, transcriber="openai", generator="openai") as url:
        yield url


@pytest.fixture(scope="module", params=[older_upstreams, openai_upstreams])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A bridge in its own event loop: schemathesis calls it over HTTP, and blocks while it waits."""
    bridge = request.param()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        thread = Thread(target=loop.run_forever)
        thread.start()
        try:
            yield asyncio.run_coroutine_threadsafe(bridge.__aenter__(), loop).result(10)
        finally:
            asyncio.run_coroutine_threadsafe(bridge.__aexit__(None, None, None), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


@api.parametrize()
def test_requests_of_all_kinds_get_answers_as_described(case: schemathesis.Case[Any], url: str) -> None:
    case.call_and_validate(base_url=url)


@pytest.mark.parametrize(
    ("path", "fields", "media_type"),
    [
        ("/process", {}, "application/json"),
        ("/process", {"stream": "true"}, "text/event-stream"),
        *[
            (f"/v1/audio/{task}", fields, media_type)
            for task in ("transcriptions", "translations")
            for fields, media_type in [
                ({"response_format": "json"}, "application/json"),
                ({"response_format": "verbose_json"}, "application/json"),
                (
                    {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]},
                    "application/json",
                ),
                ({"response_format": "text"}, "text/plain"),
                ({"response_format": "srt"}, "application/x-subrip"),
                ({"response_format": "vtt"}, "text/vtt"),
                ({"stream": "true"}, "text/event-stream"),
            ]
        ],
    ],
)
def test_every_form_of_an_answer_is_described(path: str, fields: Json, media_type: str, url: str) -> None:
    case = api[path]["POST"].Case(body={**fields, "file": recording()}, media_type="multipart/form-data")

    response = case.call_and_validate(base_url=url)

    assert response.headers["content-type"][0].partition(";")[0] == media_type


@pytest.mark.parametrize(("stream", "media_type"), [(False, "application/json"), (True, "text/event-stream")])
def test_every_form_of_a_chat_completion_is_described(stream: bool, media_type: str, url: str) -> None:  # noqa: FBT001 - a field
    messages = [{"role": "user", "content": "Hello"}]
    case = api["/v1/chat/completions"]["POST"].Case(
        body={"messages": messages, "stream": stream}, media_type="application/json"
    )

    response = case.call_and_validate(base_url=url)

    assert response.headers["content-type"][0].partition(";")[0] == media_type


@pytest.mark.parametrize(("stream", "media_type"), [(False, "application/json"), (True, "text/event-stream")])
def test_every_form_of_a_response_is_described(stream: bool, media_type: str, url: str) -> None:  # noqa: FBT001 - a field
    case = api["/v1/responses"]["POST"].Case(body={"input": "Hello", "stream": stream}, media_type="application/json")

    response = case.call_and_validate(base_url=url)

    assert response.headers["content-type"][0].partition(";")[0] == media_type


async def test_it_lists_exactly_the_routes_that_exist() -> None:
    described = {
        (method.upper(), path.replace("{file}", file))
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
        for file in files_of(operation) or ["{file}"]
    }

    routes = create_app(Settings()).router.routes()

    served = {(route.method, route.resource.canonical) for route in routes if route.resource}
    assert described == {(method, path) for method, path in served if method != "HEAD"}
    assert {path for method, path in served if method == "HEAD"} == {path for method, path in served if method == "GET"}


def files_of(operation: Json) -> list[str]:
    parameters = operation.get("parameters", [])
    return [file for item in parameters if item.get("name") == "file" for file in item["schema"]["enum"]]


def test_it_is_valid() -> None:
    schemathesis.openapi.from_dict(document()).validate()


async def test_it_is_served(bridge: Any) -> None:
    async with bridge.client.get("/openapi.json") as response:
        assert response.content_type == "application/json"
        assert await response.json() == document()


def test_every_operation_has_its_own_id_and_a_tag_that_is_explained() -> None:
    described = document()
    operations = [operation for path in described["paths"].values() for operation in path.values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert {tag for operation in operations for tag in operation["tags"]} == {tag["name"] for tag in described["tags"]}


def test_every_schema_is_used() -> None:
    described = document()
    text = json.dumps(described)

    assert [name for name in described["components"]["schemas"] if f'#/components/schemas/{name}"' not in text] == []


def test_every_error_code_is_explained() -> None:
    assert WHEN.keys() == PROBLEMS.keys()


def test_every_error_code_belongs_to_an_operation_except_those_without_a_route() -> None:
    of_operations = {
        code for media_type in media_types(document()) for code in media_type.get("examples", {}) if code in PROBLEMS
    }

    assert of_operations == PROBLEMS.keys() - {"method_not_allowed", "request_headers_too_large"}


def test_its_examples_match_its_schemas() -> None:
    for where, schema, example in examples(document()):
        assert complaints(schema, example) == [], where


def test_its_examples_of_streams_are_events_as_described() -> None:
    for media_type in media_types(document()):
        kinds = media_type.get("x-events", {})
        events = sse.Parser().feed(media_type["example"].encode()) if kinds else []
        for event in events:
            if event.data != "[DONE]":
                data = json.loads(event.data)
                name = event.type if event.type != "message" else data.get("type", "chunk")
                assert complaints(kinds[name], data) == []


def media_types(described: Json) -> Iterator[Json]:
    for path in described["paths"].values():
        for operation in path.values():
            yield from operation.get("requestBody", {}).get("content", {}).values()
            for answer in operation["responses"].values():
                yield from answer["content"].values()


def examples(described: Json) -> Iterator[tuple[str, Json, Any]]:
    components = described["components"]
    for named in (*components["headers"].values(), *components["parameters"].values(), *media_types(described)):
        if "example" in named:
            yield named.get("description", "a body"), named["schema"], named["example"]
        for name, example in named.get("examples", {}).items():
            yield name, named["schema"], example["value"]


def complaints(schema: Json, value: Any) -> list[str]:
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": document()["components"]})
    return [error.message for error in validator.iter_errors(value)]


def test_every_described_field_of_a_form_may_have_a_filename() -> None:
    forms = [
        operation["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
        for operation in document()["paths"].values()
        if "multipart/form-data" in operation.get("post", {}).get("requestBody", {}).get("content", {})
    ]

    assert len(forms) == 3
    assert [name for form in forms for name in form if not fields.is_option(name)] == ["file"] * 3
