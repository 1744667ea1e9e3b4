"""The bridge's settings: one frozen model, read from the environment, listed by `--help`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

KIB, MIB, GIB = 2**10, 2**20, 2**30


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        named = bool(parts.hostname and parts.hostname.encode("idna") and (parts.port is None or parts.port))
    except ValueError:  # a port that is none; UnicodeError, of a host that is none, is one too
        named = False
    if parts.scheme not in {"http", "https"} or not named:
        message = f"must be an http:// or https:// address with a host, not {value!r}"
        raise ValueError(message)
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """Everything that can be set. The environment variable is the field's name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # The upstreams.
    whisper_url: HttpUrl = Field(
        "http://whisper:9000", description="where Whisper is; each A record of the name is a pod"
    )
    ollama_url: HttpUrl = Field("http://ollama:11434", description="where the language model is, likewise")
    transcriber: Literal["asr-webservice", "openai"] = Field(
        "asr-webservice", description="what Whisper speaks: `/asr`, or OpenAI's `/v1/audio/transcriptions` (streams)"
    )
    generator: Literal["ollama", "openai"] = Field(
        "ollama", description="what the language model speaks: Ollama's `/api/chat`, or OpenAI's `/v1/chat/completions`"
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="models callers may name, comma separated, the first is the default; empty: what the upstream has",
    )
    whisper_model: str = Field("whisper-1", description="the name under which Whisper is listed and asked for")
    context_length: int = Field(
        0, ge=0, description="tokens of context to ask Ollama for (num_ctx); 0: its own default"
    )
    keep_alive: str = Field("", description="how long Ollama keeps a model loaded (30m, -1); empty: its own default")
    warm_up: bool = Field(default=True, description="let the language model read the prompt while Whisper works")
    whisper_slots: int = Field(1, ge=1, description="requests in flight per Whisper pod, unless the pod names a number")
    dns_refresh: Seconds = Field(5, description="seconds between two look-ups of the upstreams' names")
    connect_timeout: Seconds = Field(3, description="seconds a connection to a pod may take")
    keepalive_timeout: Seconds = Field(
        4, description="seconds an idle connection to a pod is kept; uvicorn, and with it /asr, closes at 5"
    )
    hold_timeout: Seconds = Field(
        5,
        description="seconds a request waits for a pod to appear when there is none, or for another when one failed it",
    )

    # The server.
    server_host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104 - a server in a pod
    server_port: int = Field(8080, ge=0, le=65535, description="port to listen on")
    max_concurrent_requests: int = Field(50, ge=1, description="requests worked on at once")
    max_queued_requests: int = Field(100, ge=0, description="requests that may wait for their turn; beyond it 503")
    queue_timeout: Seconds = Field(30, description="seconds a request waits for its turn or for a free pod, then 503")
    request_timeout: Seconds = Field(300, description="seconds for the whole request")
    drain_timeout: Seconds = Field(30, description="seconds that requests in flight get to finish after SIGTERM")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    # Who may come.
    api_keys_dir: str = Field(
        "", description="folder with one API key a file, read anew every 10 s; empty: no key is asked for"
    )

    # The upload.
    max_upload_bytes: Bytes = Field(512 * MIB, description="bytes of audio one request may carry")
    max_prompt_bytes: Bytes = Field(256 * KIB, description="bytes of one text field")
    max_json_bytes: Bytes = Field(32 * MIB, description="bytes of a JSON body (chat with audio inside)")
    stream_start_bytes: Bytes = Field(256 * KIB, description="bytes that must have come before a Whisper slot is taken")
    stream_min_rate: Bytes = Field(
        1 * MIB, description="bytes per second from which on an upload goes straight to a pod"
    )
    upload_lag: Seconds = Field(0.5, description="seconds without a byte after which an upload gives its slot back")
    upload_min_rate: Bytes = Field(1000, description="bytes per second under which an upload is ended after 10 s")
    upload_stall_timeout: Seconds = Field(20, description="seconds without a byte after which an upload is ended")
    retry_buffer_bytes: int = Field(
        1 * MIB, ge=0, description="bytes of a request kept in memory so that it can move to another pod"
    )
    spool_max_bytes: int = Field(
        2 * GIB, ge=0, description="bytes of all slow uploads together that may lie in temporary files"
    )

    @field_validator("api_keys_dir")
    @classmethod
    def _is_folder(cls, value: str) -> str:
        if value and not Path(value).is_dir():
            raise ValueError(f"must be a folder, and {value!r} is none")
        return value

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value
