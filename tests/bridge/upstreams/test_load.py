"""What a pod reports of its load, and what the bridge adds to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.upstreams.account import Account
from speechbridge.upstreams.load import Load, load_in_event, load_in_header

pytestmark = pytest.mark.unit

HEADER = (
    "held=0, waiting=2, working=1, slots=4, audio_seconds_waiting=12.5, audio_seconds_working=30.1, "
    "audio_seconds_per_second=9.8, oldest_wait_seconds=1.2"
)
ONE, OTHER = "one request", "another"
LOAD = Load(2, 1, 4, 12.5, 30.1, 9.8)


def test_the_header_is_a_dictionary_of_numbers() -> None:
    assert load_in_header(HEADER) == LOAD


def test_an_event_has_the_same_members() -> None:
    members = {name: getattr(LOAD, name) for name in Load.__slots__}

    assert load_in_event(json.dumps({"held": 0, **members})) == LOAD


@pytest.mark.parametrize(
    ("header", "load"),
    [
        ("waiting=1", Load(waiting=1)),
        ("waiting=1,working=2", Load(waiting=1, working=2)),
        ("waiting=1;a=b ,\tworking=2", Load(waiting=1, working=2)),
        ('reason="a, slots=9", slots=2', Load(slots=2)),
        (r'reason="\", slots=9", slots=2', Load(slots=2)),
        ("new, tags=(a b), slots=2", Load(slots=2)),
        ("slots=2, slots=3", Load(slots=3)),  # the last one counts: RFC 9651, section 4.2.2
        ("waiting=-1, working=1", Load(working=1)),
        ("slots=0", Load(slots=1)),
        ("waiting=1.5", Load(waiting=1)),
    ],
)
def test_unknown_and_wrong_members_are_ignored(header: str, load: Load) -> None:
    assert load_in_header(header) == load


@pytest.mark.parametrize("header", ["", "none", "waiting", "waiting=?1", "held=1", "Waiting=1", "waiting=1e3"])
def test_what_has_no_member_is_no_report(header: str) -> None:
    assert load_in_header(header) is None


@pytest.mark.parametrize(
    "data",
    ["", "[]", "null", "{}", '{"waiting": "1"}', '{"waiting": true}', '{"waiting": NaN}', '{"waiting": 1e999}', "{"],
)
def test_an_event_without_a_member_is_no_report(data: str) -> None:
    assert load_in_event(data) is None


@given(st.text(max_size=200))
def test_no_header_breaks_the_reader(header: str) -> None:
    load = load_in_header(header)
    assert load is None or load.slots >= 1


def test_a_pod_without_reports_has_what_this_bridge_sent() -> None:
    account = Account()
    account.begin(ONE, 5.0, now=0.0)
    account.begin(OTHER, 7.0, now=0.0)
    assert (account.busy, account.seconds_ahead(9.0, speed=2.0), account.outstanding) == (2, 6.0, 2)

    account.end(ONE)
    assert (account.busy, account.seconds_ahead(9.0, speed=2.0), account.outstanding) == (1, 3.5, 1)


def test_what_was_sent_since_the_report_is_added_and_time_takes_off_what_was_done() -> None:
    account = Account()
    account.begin(ONE, 5.0, now=0.0)
    account.adopt(Load(2, 1, 1, 20.0, 5.0, audio_seconds_per_second=5.0), now=1.0)
    assert (account.busy, account.seconds_ahead(1.0, speed=1.0)) == (3, 5.0)

    account.begin(OTHER, 10.0, now=2.0)
    assert (account.busy, account.seconds_ahead(2.0, speed=1.0)) == (4, 6.0)
    account.end(ONE)  # what was left of it in the report has been done
    assert (account.busy, account.seconds_ahead(2.0, speed=1.0)) == (3, 6.0)
    assert account.seconds_ahead(100.0, speed=1.0) == 0.0


@pytest.mark.parametrize("sent_at", [0.0, 2.0], ids=["in the report", "since the report"])
def test_a_withdrawn_request_takes_its_audio_with_it(sent_at: float) -> None:
    account = Account()
    if not sent_at:
        account.begin(ONE, 5.0, now=sent_at)
        account.adopt(Load(2, 1, audio_seconds_waiting=15.0, audio_seconds_per_second=1.0), now=1.0)
    else:
        account.adopt(Load(1, 1, audio_seconds_waiting=10.0, audio_seconds_per_second=1.0), now=1.0)
        account.begin(ONE, 5.0, now=sent_at)

    account.withdraw(ONE, 5.0)

    assert (account.busy, account.seconds_ahead(2.0, speed=1.0), account.outstanding) == (2, 9.0, 0)


def test_a_request_sent_a_moment_before_the_report_may_not_be_in_it() -> None:
    account = Account()
    account.adopt(Load(), now=0.0)
    account.begin(ONE, 7.0, now=0.99)
    account.adopt(Load(), now=1.0)
    assert (account.busy, account.seconds_ahead(1.0, speed=1.0)) == (1, 7.0)

    account.adopt(Load(working=1, audio_seconds_working=7.0), now=2.0)
    assert (account.busy, account.seconds_ahead(2.0, speed=1.0)) == (1, 7.0)


def test_a_pod_has_at_least_what_this_bridge_waits_for() -> None:
    account = Account()
    account.begin(ONE, 5.0, now=0.0)
    account.adopt(Load(), now=1.0)

    assert account.busy == 1


def test_a_short_request_that_ended_before_the_report_is_not_added_to_it() -> None:
    account = Account()
    account.begin(ONE, 5.0, now=0.0)
    account.end(ONE)
    account.adopt(Load(), now=0.01)

    assert (account.busy, account.seconds_ahead(1.0, speed=1.0)) == (0, 0.0)


def test_a_pod_that_no_longer_reports_has_what_this_bridge_sent() -> None:
    account = Account()
    account.adopt(Load(waiting=9), now=0.0)
    account.begin(ONE, 5.0, now=1.0)
    account.adopt(None, now=2.0)

    assert (account.busy, account.seconds_ahead(2.0, speed=1.0)) == (1, 5.0)
