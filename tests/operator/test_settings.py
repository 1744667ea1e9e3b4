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


@pytest.mark.parametrize(
    ("given", "namespaces"),
    [("", ("",)), ("calls", ("calls",)), ("calls, night,,calls", ("calls", "night"))],
)
def test_namespaces_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, given: str, namespaces: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WATCH_NAMESPACES", given)
    assert Settings().namespaces == namespaces


def test_what_is_no_name_of_a_namespace_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCH_NAMESPACES", "calls night")
    with pytest.raises(ValidationError, match="not the name of a namespace: 'calls night'"):
        Settings()


def test_the_earlier_setting_of_one_namespace_still_works_but_not_beside_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATCH_NAMESPACE", "calls")
    assert Settings().namespaces == ("calls",)
    monkeypatch.setenv("WATCH_NAMESPACES", "night")
    with pytest.raises(ValidationError, match="WATCH_NAMESPACE is deprecated and cannot be combined"):
        Settings()


def test_readers_of_metrics_are_peers_of_a_network_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().metrics_peers == []
    monkeypatch.setenv("METRICS_FROM", '[{"namespaceSelector": {}, "podSelector": {}}, {"ipBlock": {"cidr": "::/0"}}]')
    assert Settings().metrics_peers == [{"namespaceSelector": {}, "podSelector": {}}, {"ipBlock": {"cidr": "::/0"}}]


@pytest.mark.parametrize(
    "wrong", ["monitoring", "{}", "[{}]", '["a"]', '[{"ipBlock": {}, "podSelector": {}}]', '[{"pods": 1}]']
)
def test_other_readers_of_metrics_are_rejected(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("METRICS_FROM", wrong)
    with pytest.raises(ValidationError, match="metrics_from"):
        Settings()
