"""The operator's settings: one frozen model, read from the environment, listed by `--help`."""

from __future__ import annotations

import json
import re
import socket
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

OPERATOR = "speechpipeline-operator"
"""The operator's name: its field manager, its User-Agent, the source of its Events, the default name of its Lease."""

ALL_NAMESPACES = ("",)
"""What `Settings.namespaces` is when all namespaces are watched: the API's name for all of them is the empty one."""

_NAMESPACE = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""A name of a namespace: a DNS label (RFC 1123)."""

_PEER = ({"ipBlock"}, {"podSelector"}, {"namespaceSelector"}, {"podSelector", "namespaceSelector"})
"""The members that a peer of a NetworkPolicy may have together."""

SCALER = "speechpipeline-scaler"
"""The field manager of `spec.replicas` of Whisper's and Ollama's Deployments; it owns no other field."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseSettings):
    """All settings. The environment variable is the field's name in upper case."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    # Images, for components whose spec names none.
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
        (), description="image pull Secrets of all pipelines' pods, in addition to their own; comma-separated"
    )

    metrics_from: str = Field(
        "[]",
        description="clients that read the metrics of pipelines' pods, such as Prometheus, where"
        " `spec.networkPolicy.metricsFrom` names none: a JSON array of the peers of a NetworkPolicy",
    )

    scrape_annotations: bool = Field(
        default=False,
        description="whether bridge and Whisper pods have the annotations `prometheus.io/scrape`, `port` and `path`,"
        " for a Prometheus that finds pods by them; a change replaces the pods, a few pipelines at a time",
    )

    # The operator's own pod.
    pod_namespace: str = Field(
        "default", min_length=1, description="namespace of the operator and of its Lease; NetworkPolicies admit it"
    )
    pod_name: str = Field(
        default_factory=socket.gethostname,
        description="name of this replica, its identity in the leader election (default: the host name)",
    )
    watch_namespaces: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="namespaces to watch, comma-separated; empty: all namespaces"
    )
    watch_namespace: str = Field("", description="deprecated: the only namespace to watch; use WATCH_NAMESPACES")
    operator_class: str = Field(
        "",
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$",
        max_length=253,
        description="manage only pipelines with this `spec.class`; empty: only those without a class",
    )
    server_host: str = Field(
        "::", description="address to serve probes and metrics on; `::` is IPv6 and IPv4, or IPv4 alone without IPv6"
    )
    server_port: int = Field(
        8081, ge=0, le=65535, description="port of `/livez`, `/readyz` and `/metrics`; 0: any free port"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="minimum log level")

    # Reconciling.
    workers: int = Field(8, ge=1, description="pipelines reconciled at the same time")
    resync_interval: Seconds = Field(
        1800, description="seconds between two complete lists of the watched objects, in case an event was missed"
    )
    retry_base_delay: Seconds = Field(
        0.2, description="seconds until a failed pipeline is retried; doubles with each consecutive failure"
    )
    retry_max_delay: Seconds = Field(60, description="longest delay of a retry, in seconds")
    hang_timeout: Seconds = Field(
        600, description="seconds after which a reconcile hangs: `/livez` fails, and the operator is restarted"
    )
    request_timeout: Seconds = Field(15, description="timeout of a request to the API server, in seconds")

    kube_api_qps: Rate = Field(
        20, description="requests a second to the API server, as an average; watches and the Lease do not wait"
    )
    kube_api_burst: int = Field(30, ge=1, description="requests to the API server at once, after a quiet time")

    max_load_streams: int = Field(
        4000,
        ge=0,
        description="bridges and Whisper pods whose load is followed at the same time, each over a connection; replicas"
        " of pipelines beyond it stay as they are",
    )

    # Alarms.
    unschedulable_grace: float = Field(
        600,
        ge=0,
        allow_inf_nan=False,
        description="seconds a pod may wait for a node, which an autoscaler may be adding, before that is a fault",
    )

    rollout_concurrency: int = Field(
        4, ge=1, description="pipelines whose pods are replaced at the same time because of a new operator release"
    )
    gpu_rollout_concurrency: int = Field(1, ge=1, description="how many pipelines of ROLLOUT_CONCURRENCY may use GPUs")

    verification: bool = Field(
        default=True, description="whether pipelines are verified by canary requests, unless their spec disables it"
    )

    # Models.
    ollama_port: Port = Field(11434, description="port of the Ollama pods")
    ollama_timeout: Seconds = Field(5, description="timeout of a request to Ollama or an external service, in seconds")
    max_pulls: int = Field(8, ge=1, description="model pulls that run at the same time, over all pipelines")
    url_denied_networks: str = Field(
        "127.0.0.0/8,::1/128,169.254.0.0/16,fe80::/10,0.0.0.0/8,::/128,fd00:ec2::254/128",
        description="networks to which a `url` in a spec does not lead the operator, comma-separated; default:"
        " loopback and link-local addresses, among them the metadata services of clouds",
    )
    pull_stall_timeout: Seconds = Field(120, description="seconds without progress after which a pull is restarted")

    # Leader election.
    lease_name: str = Field(OPERATOR, min_length=1, description="name of the Lease")
    lease_duration: Seconds = Field(15, description="seconds after which a silent leader is replaced")
    lease_renew_deadline: Seconds = Field(
        10, description="seconds without a renewal after which the leader stops writing"
    )
    lease_retry_period: Seconds = Field(2, description="seconds between two attempts to acquire or renew the Lease")

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces to list and watch, each on its own; `ALL_NAMESPACES` for all of them together."""
        return self.watch_namespaces or (self.watch_namespace,)

    @property
    def metrics_peers(self) -> list[dict[str, Any]]:
        """The clients of METRICS_FROM, as in a NetworkPolicy."""
        peers: list[dict[str, Any]] = json.loads(self.metrics_from)
        return peers

    @field_validator("image_pull_secrets", "watch_namespaces", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("watch_namespaces")
    @classmethod
    def _namespaces(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [name for name in value if not re.fullmatch(_NAMESPACE, name)]:
            message = f"not the name of a namespace: {', '.join(map(repr, wrong))}"
            raise ValueError(message)
        return tuple(dict.fromkeys(value))

    @field_validator("url_denied_networks")
    @classmethod
    def _networks(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            ip_network(part)
        return value

    @field_validator("metrics_from")
    @classmethod
    def _peers(cls, value: str) -> str:
        peers = json.loads(value)  # JSONDecodeError is a ValueError
        if not isinstance(peers, list) or not all(isinstance(peer, dict) and set(peer) in _PEER for peer in peers):
            message = (
                "not a JSON array of objects with either ipBlock, or podSelector and namespaceSelector or one of them"
            )
            raise ValueError(message)
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_list_of_namespaces(self) -> Self:
        if self.watch_namespace and self.watch_namespaces:
            message = "WATCH_NAMESPACE is deprecated and cannot be combined with WATCH_NAMESPACES: unset it"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _lease_times(self) -> Self:
        """Enforce the order that keeps two leaders from writing at once, as client-go's leaderelection does."""
        if not self.lease_retry_period < self.lease_renew_deadline < self.lease_duration:
            message = (
                "LEASE_RETRY_PERIOD must be less than LEASE_RENEW_DEADLINE, and that less than LEASE_DURATION: "
                f"are {self.lease_retry_period:g}, {self.lease_renew_deadline:g} and {self.lease_duration:g} s"
            )
            raise ValueError(message)
        return self
