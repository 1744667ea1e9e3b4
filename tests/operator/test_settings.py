"""Settings from the environment."""

import pytest
from pydantic import ValidationError

from speechoperator.settings import Settings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("value", ["info", "INFO", "Info"])
def test_the_log_level_is_accepted_in_any_letter_case(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", value)
    assert Settings().log_level == "info"


def test_an_unknown_log_level_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "chatty")
    with pytest.raises(ValidationError):
        Settings()


def test_pull_secrets_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_PULL_SECRETS", "one, two,,")
    assert Settings().image_pull_secrets == ("one", "two")


@pytest.mark.parametrize(("retry", "renew", "duration"), [("2", "10", "10"), ("10", "10", "15"), ("16", "10", "15")])
def test_a_leader_must_stop_writing_before_another_may_begin(
    monkeypatch: pytest.MonkeyPatch, retry: str, renew: str, duration: str
) -> None:
    monkeypatch.setenv("LEASE_RETRY_PERIOD", retry)
    monkeypatch.setenv("LEASE_RENEW_DEADLINE", renew)
    monkeypatch.setenv("LEASE_DURATION", duration)
    with pytest.raises(ValidationError, match="LEASE_RETRY_PERIOD must be less than LEASE_RENEW_DEADLINE"):
        Settings()
