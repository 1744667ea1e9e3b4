"""How many replicas Whisper and Ollama need: `scale(spec, loads, states, history, now)`, a pure function.

No client and no clock: the operator and `python -m speechoperator replay` call the same function. How it decides is
described in `docs/explanation/scaling.md`.
"""

from __future__ import annotations

from speechoperator.plan.scaling.history import Change, History
from speechoperator.plan.scaling.load import Load, Loads, Report, total
from speechoperator.plan.scaling.scale import Decision, scale
from speechoperator.plan.scaling.spec import Bounds, OllamaScaling, ScalingSpec, WhisperScaling
from speechoperator.plan.scaling.state import ComponentState, States

__all__ = [
    "Bounds",
    "Change",
    "ComponentState",
    "Decision",
    "History",
    "Load",
    "Loads",
    "OllamaScaling",
    "Report",
    "ScalingSpec",
    "States",
    "WhisperScaling",
    "scale",
    "total",
]
