"""The conditions of a pipeline: what was snapshot, judged part by part, and the most useful of it in Ready.

`compose` makes the list in the status from verdicts; `parts`, `models`, `exposure` and `writes` make the verdicts, and
`overall` sums them up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechoperator.kube import objects

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.verdicts import Verdict

TYPES = (
    "Accepted",
    "Ready",
    "WhisperAvailable",
    "OllamaAvailable",
    "BridgeAvailable",
    "ModelsReady",
    "Exposed",
    "Progressing",
    "ClaimsOrphaned",
)
"""All conditions, in the order of the status.

Exposed is there only where a way from outside is asked for, ClaimsOrphaned only while there is such a claim.
"""

_LONGEST = 32768
_STATUS = {True: "True", False: "False", None: "Unknown"}


def compose(verdicts: Mapping[str, Verdict], live: Object, generation: int, now: datetime) -> list[dict[str, Any]]:
    """Return the conditions as JSON.

    Args:
        verdicts: By type.
        live: The status as it stands, for the times at which a condition changed.
        generation: The pipeline's generation that the verdicts are about.
        now: The time.
    """
    before = by_type(live)
    return [
        _condition(kind, verdicts[kind], before.get(kind, {}), generation, now) for kind in TYPES if kind in verdicts
    ]


def by_type(status: Object) -> dict[str, Object]:
    """Return the conditions of a status by type; whatever is no condition is passed over."""
    found = status.get("conditions")
    if not isinstance(found, list):
        return {}
    return {one["type"]: one for one in found if isinstance(one, dict) and isinstance(one.get("type"), str)}


def _condition(kind: str, verdict: Verdict, before: Object, generation: int, now: datetime) -> dict[str, Any]:
    status = _STATUS[verdict.holds]
    kept = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": kept or objects.format_time(now),
        "reason": verdict.reason,
        "message": verdict.message[:_LONGEST],
    }
