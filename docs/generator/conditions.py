"""The page of the conditions, their reasons and the Events of a SpeechPipeline."""

from __future__ import annotations

from generator.markdown import page, table
from speechoperator.api.status import CONDITION_TYPES
from speechoperator.plan.conditions.reasons import Kind, Reason
from speechoperator.plan.events import NORMAL_EVENTS


def conditions_page() -> str:
    """Return the page of the condition types and reasons of a SpeechPipeline."""
    return page(
        "Conditions of a SpeechPipeline",
        "`kubectl describe sp NAME` prints `status.conditions` with their messages, and\n"
        "`kubectl wait --for=condition=Ready sp/NAME` waits until the pipeline is ready. Types and reasons belong\n"
        "to the API, so that alerts can match on them. Messages are for people and may change.\n",
        "## Types\n",
        "`Ready` and `Progressing` repeat the most relevant reason of the other conditions.\n",
        table(("Type", "Meaning of True"), [(f"`{kind}`", meaning) for kind, meaning in CONDITION_TYPES.items()]),
        "## Reasons that require action\n",
        "These reasons persist until their cause is removed, unless the cause is temporary. If several apply, the one\n"
        "listed first is reported.\n",
        table(
            ("Reason", "Meaning", "Responsible", "What to do"),
            [(f"`{one.text}`", one.meaning, one.actor.value, one.action) for one in _reasons(Kind.FINDING)],
        ),
        "## Reasons that are temporary or intended\n",
        table(
            ("Reason", "Meaning", "What to do"),
            [(f"`{one.text}`", one.meaning, one.action or "Wait.") for one in _reasons(Kind.WAITING)],
        ),
        "## Reasons that require no action\n",
        table(("Reason", "Meaning"), [(f"`{one.text}`", one.meaning) for one in _reasons(Kind.GOOD)]),
        "## Events\n",
        "Each reason that requires action is also recorded as a Warning Event when it appears. Normal Events:\n",
        table(("Reason", "Meaning"), [(f"`{reason}`", meaning) for reason, meaning in NORMAL_EVENTS.items()]),
    )


def _reasons(kind: Kind) -> list[Reason]:
    return [reason for reason in Reason if reason.kind is kind]
