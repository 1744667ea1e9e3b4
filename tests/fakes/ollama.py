"""Ollama 0.17.4 as a bridge's generator meets it; messages and fields as in its server/routes.go and api/types.go."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fakes.faults import EndsEarly, Fault, StreamError
from fakes.gates import Point
from fakes.ollama_models import Model, now
from fakes.ollama_openai import openai_error, openai_reply, to_native
from fakes.openai_chat import REPLY, count_tokens
from fakes.received import Received
from fakes.sending import Reply, wire
from fakes.server import FakeUpstream

VERSION = "0.17.4"
TOO_LONG = "the input length exceeds the context length"
QUEUE_FULL = "server busy, please try again.  maximum pending requests exceeded"
RUNNER_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread")
"""Options that belong to a loaded runner: a request with others reloads it."""

KEEP_ALIVE = timedelta(minutes=5)
ASKS = {"/api/chat", "/api/generate", "/v1/chat/completions"}


@dataclass
class Load:
    """One load of a runner: how often a warm-up's options and a request's differ shows in their number."""

    model: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """One request for tokens, whichever door it came through."""

    path: str
    model: Model
    body: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        return self.body.get("options") or {}

    @property
    def messages(self) -> Sequence[dict[str, Any]]:
        if self.path == "/api/chat":
            return self.body.get("messages") or []
        return [{"role": "user", "content": self.body["prompt"]}] if self.body.get("prompt") else []

    def content(self, text: str) -> dict[str, Any]:
        if self.path == "/api/generate":
            return {"response": text}
        return {"message": {"role": "assistant", "content": text}}

    def line(self, text: str, *, done_reason: str | None = None, **metrics: int) -> dict[str, Any]:
        """One line of the stream; the last one has a reason and the metrics."""
        line = {"model": self.body["model"], "created_at": now(), **self.content(text), "done": done_reason is not None}
        return line if done_reason is None else {**line, "done_reason": done_reason, **metrics}


class RefusedError(Exception):
    """An answer that is an error; its text is Ollama's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeOllama(FakeUpstream):
    """Knows `models`; says `tokens`. Its context is `num_ctx` of the request, else `default_context`.

    `loads` lists every load of a runner. `queue_full` makes it answer 503. A request without messages only loads: it is
    no work, so that a script's faults wait for the real one (see `script(..., only=...)` for a warm-up with messages).
    """

    def __init__(
        self,
        tokens: Sequence[str] = REPLY,
        *,
        models: Sequence[Model | str] = ("smollm2:135m",),
        default_context: int = 4096,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.models = {model.name: model for model in (Model(m) if isinstance(m, str) else m for m in models)}
        self.default_context = default_context
        self.queue_full = False
        self.loads: list[Load] = []
        self.fits = 8
        """Models that fit in memory: loading another evicts the one that was loaded first."""
        self.loading = False
        """Whether what is in memory is still being loaded: then it does not expire yet, and its time moves along."""
        self._loaded: dict[str, Load] = {}
        self._expires: dict[str, datetime] = {}

    def is_work(self, received: Received) -> bool:
        body = received.json if isinstance(received.json, dict) else {}
        return received.path in ASKS and bool(body.get("messages") or body.get("prompt"))

    async def answer(self, received: Received, fault: Fault | None) -> Reply:
        if received.method != "POST":
            return self._told(received)
        try:
            if received.path == "/api/show":
                return _reply(self._known(received.json).shown())
            if received.path == "/v1/chat/completions":
                return openai_reply(self._generate("/api/chat", to_native(received.json), fault), received.json)
            if received.path in ASKS:
                return self._generate(received.path, received.json, fault)
        except RefusedError as refused:
            error = openai_error if received.path.startswith("/v1/") else _error
            return error(refused.status, str(refused))
        return Reply(b"404 page not found", 404, "text/plain")

    def _told(self, received: Received) -> Reply:
        models = self.models.values()
        told = {
            "/api/version": {"version": VERSION},
            "/api/tags": {"models": [model.listed() for model in models]},
            "/api/ps": {"models": [self._running(model) for model in self._in_memory()]},
            "/v1/models": {"object": "list", "data": [model.openai() for model in models] or None},
        }
        if received.path in told:
            return _reply(told[received.path])
        if received.path == "/":
            return Reply(b"Ollama is running", content_type="text/plain; charset=utf-8")
        if received.path in ASKS | {"/api/show"}:
            return Reply(b"405 method not allowed", 405, "text/plain")
        return Reply(b"404 page not found", 404, "text/plain")

    def _running(self, model: Model) -> dict[str, Any]:
        expires = datetime.now(UTC) + KEEP_ALIVE if self.loading else self._expires[model.name]
        return model.running(self._context(model.name), expires)

    def _in_memory(self) -> list[Model]:
        return [self.models[name] for name in self._loaded if name in self.models]

    def _known(self, body: Any) -> Model:
        if not isinstance(body, dict):
            raise RefusedError(400, "missing request body")
        name = body.get("model") or ""
        if not name:
            raise RefusedError(400, "model is required")
        model = self.models.get(name) or self.models.get(f"{name}:latest")
        if model is None:
            raise RefusedError(404, f"model '{name}' not found")
        return model

    def _generate(self, path: str, body: Any, fault: Fault | None) -> Reply:
        ask = Ask(path, self._known(body), body)
        if self.queue_full:
            raise RefusedError(503, QUEUE_FULL)
        if not ask.messages and body.get("keep_alive") in {0, "0", "0s"}:
            self._loaded.pop(ask.model.name, None)
            return _reply(ask.line("", done_reason="unload"))
        load_ns = self._load(ask)
        if not ask.messages:
            return _reply(ask.line("", done_reason="load"))
        prompt = self._prompt_tokens(ask)
        said, reason = self._spoken(ask, self._context(ask.model.name) - prompt)
        last = ask.line("", done_reason=reason, **_metrics(prompt, len(said), load_ns))
        if path == "/api/generate":
            last["context"] = list(range(prompt + len(said)))
        if body.get("stream", True):
            return Reply(self._lines(ask, said, last, fault), content_type="application/x-ndjson")
        if isinstance(fault, StreamError):
            raise RefusedError(500, fault.message)
        return _reply({**last, **ask.content("".join(said))})

    def _load(self, ask: Ask) -> int:
        """Load the runner unless one with the same options is there; nanoseconds that it took."""
        wanted = {name: ask.options[name] for name in RUNNER_OPTIONS if name in ask.options}
        self._expires[ask.model.name] = datetime.now(UTC) + KEEP_ALIVE
        loaded = self._loaded.get(ask.model.name)
        if loaded and loaded.options == wanted:
            return 1_200_000
        load = Load(ask.model.name, wanted)
        self._loaded[ask.model.name] = load
        self.loads.append(load)
        while len(self._loaded) > self.fits:
            del self._loaded[next(iter(self._loaded))]
        return 540_000_000

    def _context(self, name: str) -> int:
        wanted = int(self._loaded[name].options.get("num_ctx", self.default_context))
        return min(wanted, self.models[name].context_length)

    def _prompt_tokens(self, ask: Ask) -> int:
        context = self._context(ask.model.name)
        tokens = count_tokens(ask.messages)
        if tokens > context and ask.body.get("truncate") is False:
            raise RefusedError(400, TOO_LONG)
        return min(tokens, context)  # the front is lost, and nothing says so

    def _spoken(self, ask: Ask, room: int) -> tuple[Sequence[str], str]:
        limit = int(ask.options.get("num_predict", -1))
        length = len(self.tokens) if limit < 0 else min(limit, len(self.tokens))
        if ask.body.get("shift") is False:
            length = min(length, room)
        return self.tokens[:length], "stop" if length == len(self.tokens) else "length"

    async def _lines(
        self, ask: Ask, said: Sequence[str], last: dict[str, Any], fault: Fault | None
    ) -> AsyncIterator[bytes]:
        for index, token in enumerate(said):
            if isinstance(fault, StreamError) and index == fault.after:
                yield wire({"error": fault.message}) + b"\n"
                return
            if isinstance(fault, EndsEarly) and index == fault.after:
                return
            await self.at(Point.BETWEEN_TOKENS if index else Point.BEFORE_FIRST_TOKEN)
            yield wire(ask.line(token)) + b"\n"
        await self.at(Point.BEFORE_LAST_LINE)
        yield wire(last) + b"\n"


def _metrics(prompt: int, said: int, load_ns: int) -> dict[str, int]:
    """Durations in nanoseconds; Go leaves out those that are zero."""
    numbers = {
        "total_duration": load_ns + 1_000_000 * prompt + 35_000_000 * said,
        "load_duration": load_ns,
        "prompt_eval_count": prompt,
        "prompt_eval_duration": 1_000_000 * prompt,
        "eval_count": said,
        "eval_duration": 35_000_000 * said,
    }
    return {name: number for name, number in numbers.items() if number}


def _reply(data: object) -> Reply:
    return Reply(wire(data), content_type="application/json; charset=utf-8")


def _error(status: int, message: str) -> Reply:
    return Reply(wire({"error": message}), status, "application/json; charset=utf-8")
