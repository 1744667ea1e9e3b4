"""What the bridge's own readiness comes to."""

import json

import pytest

from cli.doctor.cases import facts, the, wrong
from speechcli.doctor.checks import bridge
from speechcli.doctor.facts import Readiness
from speechcli.doctor.verdicts import Level

pytestmark = pytest.mark.unit


def not_ready(*components: str) -> Readiness:
    said = {name: {"ready": name not in components, "detail": "said"} for name in ("whisper", "llm")}
    return Readiness(503, json.dumps({"status": "not ready", "components": said}))


@pytest.mark.parametrize(("component", "in_status"), [("whisper", "whisper"), ("llm", "ollama")])
def test_a_component_that_is_scaled_to_zero_is_fine(component: str, in_status: str) -> None:
    idle = {in_status: {"desired": 0}}

    assert wrong(bridge.check(facts(status=idle, readiness=not_ready(component)))) == []


def test_a_component_that_should_run_is_a_fault() -> None:
    status = {"whisper": {"desired": 0}, "ollama": {"desired": 1}}

    found = the(bridge.check(facts(status=status, readiness=not_ready("whisper", "llm"))), Level.FAULT)

    assert "llm: said" in found.message


def test_a_suspended_bridge_is_not_asked() -> None:
    suspended = facts(status={"bridge": {"desired": 0}}, readiness=Readiness(error="no pod of the bridge runs"))

    assert wrong(bridge.check(suspended)) == []
