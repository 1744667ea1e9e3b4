"""Limits that follow from the settings of the components: the longest drain, the largest spool."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from speechoperator.api import durations

if TYPE_CHECKING:
    from speechoperator.api import Bridge, ComponentSpec, Ollama, Whisper

_LONGEST_AUDIO_S = 4 * 3600.0
"""Default of MAX_AUDIO_SECONDS, in the bridge and in the Whisper server."""

_SPOOL_BYTES = 2.0 * 2**30
"""Default of MAX_SPOOL_BYTES."""

_OLLAMA_DRAIN_S = 300
"""Seconds for the answers in progress. It does not follow the bridge's timeout, which may change without a restart."""


def longest_audio(spec: ComponentSpec) -> float:
    """Return the maximum duration of a recording in seconds, as set in the component's own variables."""
    return _variable(spec, "MAX_AUDIO_SECONDS", _LONGEST_AUDIO_S)


def spool_bytes(spec: Bridge) -> float:
    """Return the maximum size of the bridge's temporary files, in bytes."""
    return _variable(spec, "MAX_SPOOL_BYTES", _SPOOL_BYTES)


def bridge_drain(spec: Bridge) -> int:
    """Return the seconds for the bridge's requests when a pod is deleted: by default the longest audio and its answer.

    Transcribing takes no longer than listening, and the answer at most the timeout.
    """
    return _given(spec) or math.ceil(longest_audio(spec) + spec.request_timeout_seconds)


def whisper_drain(spec: Whisper) -> int:
    """Return the seconds for the jobs in progress when a pod is deleted: by default the longest audio."""
    return _given(spec) or math.ceil(longest_audio(spec))


def ollama_drain(spec: Ollama) -> int:
    """Return the seconds for the answers in progress when a pod is deleted."""
    return _given(spec) or _OLLAMA_DRAIN_S


def _given(spec: ComponentSpec) -> int | None:
    return math.ceil(durations.seconds(spec.drain_timeout)) if spec.drain_timeout else None


def _variable(spec: ComponentSpec, name: str, default: float) -> float:
    """Return the number in a variable of the spec; the default without it, or if it is no positive number."""
    given = next((variable.value for variable in spec.env if variable.name == name), None)
    try:
        number = float(given or default)
    except ValueError:
        return default
    return number if math.isfinite(number) and number > 0 else default
