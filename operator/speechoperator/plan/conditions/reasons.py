"""The reasons of conditions, ranked. They are part of the interface: people and alerts match on them."""

from __future__ import annotations

PROBLEMS = (
    # What keeps the operator from writing at all comes first: nothing below it can be true for the spec that is there.
    "NotAccepted",
    "WriteForbidden",
    "NameTaken",
    "WriteRejected",
    "QuotaExceeded",
    "PodsForbidden",
    "ClaimMissing",
    "ClaimUnbound",
    "Unschedulable",
    "ConfigError",
    "ImagePullFailed",
    "CrashLooping",
    "StartBlocked",
    "ProbeFailing",
    "PodFailed",
    "RolloutStuck",
    "PullFailed",
    "OllamaUnreachable",
    "ModelsMissing",
    "ExternalUnreachable",
    "IngressClassMissing",
    "GatewayMissing",
    "RouteRefused",
)
"""Reasons that need a person, the most useful one first: what stands further back often follows from those before."""


WAITS = (
    "Suspended",
    "ScaledToZero",
    "ModelsPulling",
    "Starting",
    "RolloutInProgress",
    "WaitingForModels",
    "WaitingForOllama",
    "NotChecked",
)
"""Reasons that pass by waiting, or that somebody wanted, likewise."""


_RANK = {reason: rank for rank, reason in enumerate((*PROBLEMS, *WAITS))}
