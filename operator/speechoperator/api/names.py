"""What the objects of a pipeline are called, and on which ports its parts listen."""

from __future__ import annotations

from typing import Literal, TypeAlias

Component: TypeAlias = Literal["whisper", "ollama", "bridge"]
"""A part of a pipeline, as the label `app.kubernetes.io/component` has it."""

COMPONENTS: tuple[Component, ...] = ("whisper", "ollama", "bridge")

PORTS: dict[Component, int] = {"whisper": 9000, "ollama": 11434, "bridge": 8080}

MODELS_READY = "speechpipeline.dev/models-ready"
"""The readiness gate of the Ollama pods; the operator sets the condition of this type."""

SETTINGS_HASH = "speechpipeline.dev/settings-hash"
"""The annotation that rolls the bridge's pods when their ConfigMap changes."""


def named(pipeline: str, component: Component) -> str:
    """Return the name of a part's objects, of whatever kind: `support-calls-whisper`."""
    return f"{pipeline}-{component}"


def pods_service(pipeline: str, component: Component) -> str:
    """Return the name of the headless Service whose A records are the part's ready pods."""
    return f"{pipeline}-{component}-pods"
