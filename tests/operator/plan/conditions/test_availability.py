"""Availability of external services."""

from typing import Any

import pytest

from cluster.pipelines import of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster, verdict
from speechoperator.plan import Plan
from speechoperator.plan.snapshot import Health

pytestmark = pytest.mark.unit


def external(**health: Any) -> Plan:
    """The plan for a pipeline with an external Whisper of this health; {} if it has not been probed."""
    found = PlannedCluster(pipeline(of_whisper(url="http://asr:9000")))
    found.health = {"whisper": Health(**health)} if health else {}
    return found.run()


def test_a_service_that_has_not_been_probed_is_unknown() -> None:
    assert verdict(external(), "WhisperAvailable")[:2] == ("Unknown", "NotProbed")
    assert verdict(external(), "Ready")[0] == "False"


def test_a_service_that_responds_is_available() -> None:
    plan = external(healthy=True)

    assert verdict(plan, "WhisperAvailable")[0] == "True"
    assert verdict(plan, "Ready")[0] == "True"
    reason = "external service at http://asr:9000"
    assert plan.status["whisper"] == {"summary": "external", "replicasReason": reason}


def test_a_service_that_does_not_respond_is_reported() -> None:
    plan = external(healthy=False, detail="connection refused")

    message = "http://asr:9000: connection refused"
    assert verdict(plan, "WhisperAvailable") == ("False", "ExternalUnreachable", message)
    assert verdict(plan, "Ready")[1] == "ExternalUnreachable"


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ({}, "set whisper.auth if it requires an API key"),
        ({"auth": {"secretName": "s"}}, "the bridge sends its API key"),
    ],
)
def test_a_service_that_rejects_the_operator_is_available(auth: dict[str, Any], said: str) -> None:
    """The operator has no credentials, and does not need any."""
    found = PlannedCluster(pipeline(of_whisper(url="http://asr:9000", **auth)))
    found.health = {"whisper": Health(healthy=True, rejected=True)}

    plan = found.run()

    message = f"http://asr:9000 responds and rejects requests without credentials; {said}"
    assert verdict(plan, "WhisperAvailable") == ("True", "CredentialsRequired", message)
    assert verdict(plan, "Ready")[0] == "True"
