"""The bridge's settings: one frozen model, read from the environment, listed by `--help`."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from speechbridge import model_list
from speechbridge.credentials import header_lines
from speechbridge.model_list import ModelSettings

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[^/?#@*,\s]+")
KIB, MIB, GIB = 2**10, 2**20, 2**30


def _http_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = bool(parts.hostname and parts.hostname.encode("idna") and (parts.port is None or parts.port))
        valid = valid and parts.scheme in {"http", "https"}
    except ValueError:  # an invalid host or port; UnicodeError is a ValueError
        valid = False
    if "@" in value and (not valid or "@" in parts.netloc):  # no message has a value that may contain a password
        message = "must not contain a user name or password; use the settings for API keys and headers"
        raise ValueError(message)
    if not valid:
        message = f"must be an http:// or https:// URL with a host, not {value!r}"
        raise ValueError(message)
    return value.rstrip("/")


def _origin(value: str) -> str:
    origin = value.rstrip("/").lower()
    if not _ORIGIN.fullmatch(origin):
        message = f"must be * or an origin such as https://app.example.com or http://localhost:3000, not {value!r}"
        raise ValueError(message)
    return origin


def _optional_http_url(value: str) -> str:
    return _http_url(value) if value else value


def _checked_http_url(value: str) -> str:
    """Return a URL as it is."""
    _optional_http_url(value)
    return value


Origin = Annotated[str, AfterValidator(_origin)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(gt=0)]


class Settings(BaseSettings):
    """All settings. The environment variable is the field's name in upper case."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # Upstreams.
    whisper_url: HttpUrl = Field(
        "http://whisper:9000", description="URL of Whisper; each A record of its host is a pod"
    )
    llm_url: Annotated[str, AfterValidator(_optional_http_url)] = Field(
        "", description="URL of the language model server; each A record of its host is a pod; empty: OLLAMA_URL"
    )
    ollama_url: HttpUrl = Field("http://ollama:11434", description="older name of LLM_URL, which takes precedence")
    whisper_api_key: SecretStr = Field(
        SecretStr(""), description="API key for Whisper, sent in `Authorization: Bearer`; empty: none"
    )
    llm_api_key: SecretStr = Field(
        SecretStr(""), description="API key for the language model server, sent in `Authorization: Bearer`; empty: none"
    )
    whisper_headers: SecretStr = Field(
        SecretStr(""), description="headers for Whisper: `Name=value`, comma-separated, values percent-encoded"
    )
    llm_headers: SecretStr = Field(
        SecretStr(""),
        description="headers for the language model server: `Name=value`, comma-separated, values percent-encoded",
    )
    whisper_ca_file: str = Field(
        "", description="PEM file with the certificate authorities that sign Whisper's certificate; empty: the system's"
    )
    llm_ca_file: str = Field(
        "",
        description="PEM file with the certificate authorities that sign the language model server's certificate;"
        " empty: the system's",
    )
    transcriber: Literal["asr-webservice", "openai"] = Field(
        "asr-webservice",
        description="protocol of Whisper: `/asr`, or OpenAI's `/v1/audio/transcriptions` (streams segments)",
    )
    generator: Literal["ollama", "openai"] = Field(
        "ollama",
        description="protocol of the language model server: Ollama's `/api/chat`, or OpenAI's `/v1/chat/completions`",
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="models that requests may use, comma-separated, the default first; empty: the models of the server",
    )
    whisper_model: str = Field(
        "whisper-1", description="name of the Whisper model in `/v1/models`, and in requests to Whisper"
    )
    whisper_model_aliases: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="further names of the Whisper model in requests, comma-separated, besides WHISPER_MODEL and"
        " OpenAI's names; `*`: any name",
    )
    context_length: int = Field(
        0, ge=0, description="context length in tokens to request from Ollama (`num_ctx`); 0: Ollama's default"
    )
    keep_alive: str = Field(
        "", description="how long Ollama keeps an unused model in memory (`30m`, `-1`); empty: Ollama's default"
    )
    model_options: Annotated[Mapping[str, ModelSettings], NoDecode] = Field(
        {},
        description="what requests to a model carry unless a client says otherwise, for Ollama, as JSON:"
        ' `{"llama3": {"options": {"num_ctx": 8192, "top_p": 0.9}, "keep_alive": "1h"}}`',
    )
    models_file: str = Field(
        "",
        description="JSON file that replaces MODELS and MODEL_OPTIONS, and is read again every 2 s:"
        ' `{"models": [{"name": "llama3", "options": {"num_ctx": 8192}, "keep_alive": "1h"}]}`; empty: none',
    )
    think: Literal["", "true", "false", "low", "medium", "high"] = Field(
        "",
        description="whether reasoning models reason in `/process` (`true`, `false`), or how much (`low`, `medium`,"
        " `high`); empty: the model's default",
    )
    forward_media_urls: bool = Field(
        default=False,
        description="whether images and other media in chats may be URLs, which the language model server then fetches",
    )
    prompt_prefill: bool = Field(
        default=True, description="whether the language model processes the prompt while Whisper transcribes"
    )
    whisper_slots: int = Field(
        1, ge=1, description="concurrent requests per Whisper pod, unless the pod reports its own number"
    )
    dns_refresh_interval: Seconds = Field(5, description="seconds between DNS lookups of the upstreams")
    connect_timeout: Seconds = Field(3, description="timeout in seconds for a connection to a pod")
    keepalive_timeout: Seconds = Field(
        4, description="seconds until an idle connection to a pod is closed; uvicorn, which serves `/asr`, waits 5"
    )
    hold_timeout: Seconds = Field(
        5,
        description="seconds a request may wait in total while no pod of an upstream is reachable, or for a pod on"
        " which it has not failed yet; at least the startup time of a pod if the upstream is scaled to zero",
    )
    max_held_requests: int = Field(
        100,
        ge=0,
        description="maximum number of requests that wait while no pod of an upstream is reachable, for each upstream;"
        " further ones are rejected with 503. Their bytes are limited by MEMORY_BUDGET_BYTES and MAX_SPOOL_BYTES",
    )

    # Server.
    server_host: str = Field("::", description="address to listen on; `::` listens on all IPv6 and IPv4 addresses")
    server_port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0: any free port")
    max_concurrent_requests: int = Field(
        50, ge=1, description="maximum number of requests worked on concurrently; arriving uploads do not count"
    )
    max_queued_requests: int = Field(
        100, ge=0, description="maximum number of queued requests; further ones are rejected with 503"
    )
    queue_timeout: Seconds = Field(
        30, description="seconds a request may wait in total, queued or for a free pod, before it is rejected with 503"
    )
    request_timeout: Seconds = Field(
        300,
        description="seconds a request may take without progress (bytes, segments or tokens); the work on it may take"
        " twice as long in total, plus `REQUEST_TIMEOUT_PER_AUDIO_SECOND`",
    )
    request_timeout_per_audio_second: float = Field(
        2,
        ge=0,
        allow_inf_nan=False,
        description="seconds that each second of audio adds to the total that the work on a request may take",
    )
    drain_timeout: Seconds = Field(30, description="seconds that requests in flight may take to finish after SIGTERM")
    max_connections: int = Field(
        2000, ge=1, description="maximum number of connections; at the limit, idle ones are closed for new ones"
    )
    client_head_timeout: Seconds = Field(
        10, description="seconds a client may take to send the head of a request once it has begun"
    )
    client_idle_timeout: Seconds = Field(75, description="seconds until an idle connection of a client is closed")
    client_write_timeout: Seconds = Field(
        30, description="seconds without reading after which a client's connection is aborted"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="minimum log level")

    # Traces. The SDK of OpenTelemetry reads further standard variables: headers, sampler, resource attributes.
    otel_exporter_otlp_endpoint: Annotated[str, AfterValidator(_optional_http_url)] = Field(
        "",
        description="URL of an OpenTelemetry receiver (`http://collector:4318`), which gets the traces of requests by"
        " OTLP over HTTP; empty: requests are not traced",
    )
    otel_exporter_otlp_traces_endpoint: Annotated[str, AfterValidator(_checked_http_url)] = Field(
        "", description="URL for traces with its path, instead of OTEL_EXPORTER_OTLP_ENDPOINT with `/v1/traces`"
    )
    otel_exporter_otlp_protocol: Literal["http/protobuf"] = Field(
        "http/protobuf", description="protocol of the receiver; receivers usually have it on port 4318"
    )
    otel_exporter_otlp_traces_protocol: Literal["http/protobuf"] = Field(
        "http/protobuf", description="protocol for traces"
    )
    otel_traces_exporter: Literal["otlp", "none"] = Field(
        "otlp", description="with `none`, requests are not traced, whatever the URLs are"
    )
    otel_sdk_disabled: bool = Field(
        default=False, description="whether requests are not traced, as with OTEL_TRACES_EXPORTER=none"
    )

    # Access.
    cors_allowed_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        (),
        description="origins of web pages that may use the API, comma-separated (`https://app.example.com`); `*`: all,"
        " without credentials; empty: only pages of the bridge itself",
    )
    api_keys_dir: str = Field(
        "",
        description="folder with one API key per file, read again every 10 s; empty: no API key is required",
    )

    # Uploads.
    max_upload_bytes: Bytes = Field(512 * MIB, description="maximum size of the audio of a request, in bytes")
    max_audio_seconds: Seconds = Field(
        4 * 3600,
        description="maximum duration of a recording in seconds, as set for Whisper; no recording counts for more when"
        " `Retry-After` is computed",
    )
    max_field_bytes: Bytes = Field(
        256 * KIB,
        description="maximum size of a text field such as the prompt, in bytes; all of a form may be twice as large",
    )
    max_json_bytes: Bytes = Field(32 * MIB, description="maximum size of a JSON body (chat with audio), in bytes")
    stream_start_bytes: Bytes = Field(
        256 * KIB, description="bytes received before an incomplete upload is streamed to a Whisper pod"
    )
    stream_min_rate: Bytes = Field(
        1 * MIB, description="minimum rate of an upload streamed to a pod while it arrives, in bytes per second"
    )
    slot_idle_timeout: Seconds = Field(
        0.5, description="seconds without data after which an upload releases its Whisper slot"
    )
    upload_min_rate: Bytes = Field(
        8000, description="minimum rate of an upload after 10 s, in bytes per second; slower ones are rejected with 408"
    )
    upload_stall_timeout: Seconds = Field(
        20, description="seconds without data after which an upload is rejected with 408"
    )
    retry_buffer_bytes: int = Field(
        1 * MIB,
        ge=0,
        description="bytes of an upload buffered in memory; the rest of it is buffered in a temporary file",
    )
    memory_budget_bytes: Bytes = Field(
        384 * MIB,
        description="maximum size of what all requests together hold in memory (forms, JSON bodies, retry buffers), in"
        " bytes; further requests are rejected with 503",
    )
    max_spool_bytes: int = Field(
        2 * GIB,
        ge=0,
        description="maximum size of the temporary files of all uploads together, in bytes; fast uploads, which are"
        " buffered only to be retried on another pod, take up to half of it",
    )

    @field_validator(
        "otel_exporter_otlp_protocol",
        "otel_exporter_otlp_traces_protocol",
        "otel_traces_exporter",
        "otel_sdk_disabled",
        mode="before",
    )
    @classmethod
    def _empty_is_unset(cls, value: object, info: ValidationInfo) -> object:
        return cls.model_fields[str(info.field_name)].default if value == "" else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @property
    def generator_url(self) -> str:
        """The URL of the language model server, by either of its names."""
        return self.llm_url or self.ollama_url

    @field_validator("whisper_api_key", "llm_api_key", mode="before")
    @classmethod
    def _is_key(cls, value: object) -> object:
        key = value.strip() if isinstance(value, str) else value  # files of secrets often end in a line break
        if isinstance(key, str):
            header_lines(key, "")
        return key

    @field_validator("whisper_headers", "llm_headers")
    @classmethod
    def _are_headers(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        key = info.data.get(f"{str(info.field_name).removesuffix('_headers')}_api_key")
        header_lines(key.get_secret_value() if isinstance(key, SecretStr) else "", value.get_secret_value())
        return value

    @field_validator("whisper_ca_file", "llm_ca_file")
    @classmethod
    def _is_pem(cls, value: str) -> str:
        try:
            if value:
                ssl.create_default_context(cafile=value)
        except OSError:  # also SSLError
            message = f"must be a readable file of PEM certificates, but {value!r} is not"
            raise ValueError(message) from None
        return value

    @field_validator("model_options", mode="before")
    @classmethod
    def _is_json(cls, value: object) -> object:
        try:
            return json.loads(value or "{}") if isinstance(value, str) else value
        except ValueError as error:
            raise ValueError(f"must be JSON: {error}") from None

    @field_validator("models_file")
    @classmethod
    def _is_list_of_models(cls, value: str) -> str:
        try:
            if value:
                model_list.read(Path(value))
        except (OSError, ValueError) as error:
            message = f"must be a readable JSON file with a list of models: {error}"
            raise ValueError(message) from None
        return value

    @field_validator("api_keys_dir")
    @classmethod
    def _is_folder(cls, value: str) -> str:
        if value and not Path(value).is_dir():
            raise ValueError(f"must be a folder, but {value!r} is not")
        return value

    @field_validator("models", "cors_allowed_origins", "whisper_model_aliases", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value
