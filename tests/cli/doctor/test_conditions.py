"""What the operator's conditions come to."""

import pytest

from cli.doctor.cases import condition, facts, only, the, wrong
from speechcli.doctor.checks import conditions
from speechcli.doctor.verdicts import Level
from speechcli.pipeline import INTENDED, TEMPORARY
from speechoperator.plan.conditions.reasons import Kind, Reason

pytestmark = pytest.mark.unit


def test_a_ready_pipeline_is_fine() -> None:
    assert wrong(conditions.check(facts(status={"conditions": [condition("Ready", "True")]}))) == []


def test_a_false_condition_is_a_fault_with_its_message() -> None:
    unmet = [condition("Ready", "False"), condition("Exposed", "False", "IngressClassMissing", "IngressClass nginx")]

    found = the(conditions.check(facts(status={"conditions": unmet})), Level.FAULT)

    assert found.message == "Exposed is False (IngressClassMissing): IngressClass nginx"
    assert "IngressClassMissing" in found.fix


def test_an_unknown_condition_is_a_warning() -> None:
    unmet = [condition("Ready", "True"), condition("Verified", "Unknown", "KeysRequired")]

    assert the(conditions.check(facts(status={"conditions": unmet})), Level.WARNING)


def test_pvcs_that_are_no_longer_used_are_noted() -> None:
    met = [condition("Ready", "True"), condition("PVCsOrphaned", "True", "NotUsed", "kubectl delete pvc old")]

    assert "kubectl delete pvc old" in the(conditions.check(facts(status={"conditions": met})), Level.WARNING).message


def test_a_pipeline_without_status_has_no_operator() -> None:
    assert "has not looked" in the(conditions.check(facts()), Level.FAULT).message


def test_an_outdated_status_is_a_warning() -> None:
    met = {"conditions": [condition("Ready", "True")], "observedGeneration": 0}

    assert "older spec" in only(conditions.check(facts(status=met)), Level.WARNING)[0].message


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("WhisperAvailable", "ScaledToZero"),
        ("OllamaAvailable", "Suspended"),
        ("ScalingActive", "Off"),
        ("ScalingActive", "Advisory"),
    ],
)
def test_what_the_spec_says_is_fine(kind: str, reason: str) -> None:
    idle = [condition("Ready", "True", "Idle"), condition(kind, "False", reason)]

    assert wrong(conditions.check(facts(status={"conditions": idle}))) == []


def test_a_pipeline_that_serves_slowly_is_a_warning() -> None:
    slow = [condition("Ready", "True"), condition("ModelsLoaded", "False", "PartlyOnCPU", "0 B on the GPU")]

    assert "PartlyOnCPU" in the(conditions.check(facts(status={"conditions": slow})), Level.WARNING).message


@pytest.mark.parametrize("reason", ["Starting", "WaitingForNode", "ModelsPulling", "Warming"])
def test_what_passes_is_a_warning(reason: str) -> None:
    starting = [condition("Ready", "False", reason), condition("WhisperAvailable", "False", reason)]

    (found,) = wrong(conditions.check(facts(status={"conditions": starting})))

    assert found.level is Level.WARNING


def test_the_operators_reasons_to_wait_are_known() -> None:
    assert {reason.text for reason in Reason if reason.kind is Kind.WAITING} == TEMPORARY | INTENDED
