"""How the state of pipelines is shown."""

import io
from typing import Any

import pytest
from rich.console import Console

from speechcli.pipeline import state
from speechcli.status_view import duration, view

pytestmark = pytest.mark.unit

PULLING = {
    "name": "llama3",
    "stage": "Pulling",
    "completedBytes": 1_288_490_188,
    "totalBytes": 4_661_224_676,
    "bytesPerSecond": 16_106_127,
    "etaSeconds": 210,
}


def condition(kind: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def shown(*, terminal: bool = False, **status: Any) -> str:
    body = {
        "metadata": {"name": "calls", "namespace": "team-a", "generation": 2},
        "status": {"observedGeneration": 2, **status},
    }
    out = io.StringIO()
    console = Console(file=out, width=140, force_terminal=terminal, color_system=None, highlight=False)
    console.print(view([state(body)], bars=terminal))
    return out.getvalue()


def test_a_ready_pipeline_has_its_url_and_replicas() -> None:
    text = shown(
        url="https://speech.example.com",
        whisper={"desired": 2, "ready": 2, "replicasReason": "the load needs 2"},
        conditions=[condition("Ready", "True", "Ready")],
    )

    assert text.splitlines()[0] == "team-a/calls  ready  https://speech.example.com"
    assert "whisper  2 of 2 ready" in text
    assert "the load needs 2" in text


def test_a_ready_pipeline_that_serves_nothing_says_why() -> None:
    assert "ready (Suspended)" in shown(conditions=[condition("Ready", "True", "Suspended")])


def test_a_pipeline_without_conditions_has_no_operator() -> None:
    assert "not seen by the operator yet" in shown()


def test_a_changed_spec_is_being_updated() -> None:
    assert "being updated" in shown(conditions=[condition("Ready", "True", "Ready")], observedGeneration=1)


def test_an_external_component_has_no_replicas() -> None:
    text = shown(ollama={"summary": "external"}, conditions=[condition("Ready", "True", "Ready")])

    assert "ollama  external" in text


def test_a_download_has_percent_speed_and_time_left() -> None:
    text = shown(models=[PULLING], conditions=[condition("Ready", "False", "WaitingForModels")])

    assert "27 %, 1288 of 4661 MB, 16.1 MB/s, 3 min 30 s left" in text


def test_only_a_terminal_gets_a_bar() -> None:
    assert "━" in shown(models=[PULLING], terminal=True)
    assert "━" not in shown(models=[PULLING])


def test_backlog_and_bottleneck_are_named() -> None:
    text = shown(whisper={"desired": 1, "ready": 1, "backlogSeconds": 100}, bottleneck="whisper")

    assert "backlog 100 s of audio" in text
    assert "bottleneck: whisper" in text


def test_wrong_conditions_have_reason_and_message_and_right_ones_are_left_out() -> None:
    text = shown(
        conditions=[
            condition("Ready", "False", "Unschedulable", "whisper: no GPU"),
            condition("WhisperAvailable", "False", "Unschedulable", "0/3 nodes: Insufficient [gpu]"),
            condition("BridgeAvailable", "True", "Available", "all of them"),
        ]
    )

    assert "WhisperAvailable is False (Unschedulable): 0/3 nodes: Insufficient [gpu]" in text
    assert "all of them" not in text


def test_the_latest_decisions_come_first_and_refused_ones_are_marked() -> None:
    decisions = [
        {"time": f"2026-11-29T20:0{minute}:00Z", "component": "whisper", "from": minute, "to": minute + 1}
        | {"reason": "backlog", "id": "a", "ok": minute != 7}
        for minute in range(8)
    ]

    lines = [line.split() for line in shown(scalingHistory=decisions).splitlines() if "2026" in line]

    assert [line[0][14:16] for line in lines] == ["07", "06", "05", "04", "03"]
    assert "(not" in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.6, "1 min 0 s"), (210, "3 min 30 s"), (7500, "2 h 5 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("reason", "style"), [("ScaledToZero", "dim"), ("Off", "dim"), ("Starting", "yellow"), ("Unschedulable", "red")]
)
def test_only_faults_are_red(reason: str, style: str) -> None:
    body = {
        "metadata": {"name": "calls", "generation": 1},
        "status": {"observedGeneration": 1, "conditions": [condition("WhisperAvailable", "False", reason)]},
    }
    out = io.StringIO()
    Console(file=out, width=140, force_terminal=True, color_system="standard", highlight=False).print(
        view([state(body)], bars=False)
    )

    codes = {"dim": "2", "yellow": "33", "red": "31"}
    assert f"\x1b[{codes[style]}mWhisperAvailable is False" in out.getvalue()
