"""The operator's settings: one frozen model, read from the environment, listed by `--help`."""

from __future__ import annotations

import socket
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """Everything that can be set. The environment variable is the field's name in capitals."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # What pipelines are made of, where a pipeline names no image of its own.
    bridge_image: str = Field("speechpipeline/bridge:0.1.0", description="image of the bridge")
    whisper_image: str = Field(
        "speechpipeline/whisper:0.1.0", description="image of the engine faster-whisper on a CPU"
    )
    whisper_gpu_image: str = Field(
        "speechpipeline/whisper:0.1.0-cuda", description="image of the engine faster-whisper on a GPU"
    )
    ollama_image: str = Field("ollama/ollama:0.17.4", description="image of Ollama")
    asr_webservice_image: str = Field(
        "onerahmet/openai-whisper-asr-webservice:v1.10.0", description="image of the engine asr-webservice on a CPU"
    )
    asr_webservice_gpu_image: str = Field(
        "onerahmet/openai-whisper-asr-webservice:v1.10.0-gpu", description="image of the engine asr-webservice on a GPU"
    )
    image_pull_secrets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Secrets for pulling images, comma separated, which all pods of pipelines get beside their own"
    )

    # Where the operator is.
    pod_namespace: str = Field(
        "default", min_length=1, description="namespace of the operator: its Lease is there, NetworkPolicies let it in"
    )
    pod_name: str = Field(
        default_factory=socket.gethostname,
        description="name of this replica, its identity as a leader (default: the host's name)",
    )
    watch_namespace: str = Field("", description="the one namespace to look after; empty: all")
    host: str = Field("0.0.0.0", description="address to serve health and metrics on")  # noqa: S104 - in a pod
    port: int = Field(8081, ge=0, le=65535, description="port of `/livez`, `/readyz` and `/metrics`; 0: any free one")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    # The work.
    workers: int = Field(8, ge=1, description="pipelines worked on at once")
    resync_interval: Seconds = Field(300, description="seconds between two full listings of what is watched")
    retry_base: Seconds = Field(
        0.2, description="seconds until a pipeline that failed is tried again; doubles each time"
    )
    retry_cap: Seconds = Field(60, description="seconds between two tries at most")
    request_timeout: Seconds = Field(15, description="seconds that one request to the API server may take")

    # The models.
    ollama_port: Port = Field(11434, description="port of the Ollama pods")
    ollama_timeout: Seconds = Field(5, description="seconds that Ollama may take to say which models it has")
    pull_stall_timeout: Seconds = Field(120, description="seconds without a word after which a pull is asked for anew")

    # The leader.
    lease_name: str = Field("speechpipeline-operator", min_length=1, description="name of the Lease")
    lease_duration: Seconds = Field(15, description="seconds after which a leader that went silent is replaced")
    lease_renew: Seconds = Field(10, description="seconds without a renewal after which a leader stops writing")
    lease_retry: Seconds = Field(2, description="seconds between two tries to take or renew the Lease")

    @field_validator("image_pull_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _lease_times(self) -> Self:
        """Hold the order that keeps two leaders from writing at once, as client-go's leaderelection demands it."""
        if not self.lease_retry < self.lease_renew < self.lease_duration:
            message = (
                "LEASE_RETRY must be less than LEASE_RENEW, and that less than LEASE_DURATION: "
                f"are {self.lease_retry:g}, {self.lease_renew:g} and {self.lease_duration:g} s"
            )
            raise ValueError(message)
        return self
