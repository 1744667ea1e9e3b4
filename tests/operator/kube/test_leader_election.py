"""Two operators and one Lease: never do both write, and one always leads."""

import asyncio
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from speechoperator.kube.errors import ApiError, Request
from speechoperator.kube.kinds import Kind
from speechoperator.kube.leader_election import LeaderElection
from speechoperator.settings import Settings

if TYPE_CHECKING:
    from speechoperator.kube.unfenced_client import UnfencedClient

pytestmark = pytest.mark.unit

SETTINGS = Settings(lease_duration=15, lease_renew_deadline=10, lease_retry_period=2)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Leases:
    """The API server, for one Lease: writes succeed on what was read last only."""

    clock: Clock
    lease: dict[str, Any] | None = None
    fails: bool = False
    takes: float = 0.0
    calls: list[str] = field(default_factory=list)

    async def get(self, kind: Kind, namespace: str = "", name: str = "", **_: Any) -> dict[str, Any]:
        request = self._request("get", kind, namespace, name)
        if self.lease is None:
            raise ApiError(request, 404, "NotFound", "not found")
        return copy.deepcopy(self.lease)

    async def write(self, verb: str, kind: Kind, namespace: str = "", name: str = "", **more: Any) -> dict[str, Any]:
        request = self._request(verb, kind, namespace, name)
        body = copy.deepcopy(more["body"])
        if verb == "create":
            if self.lease is not None:
                raise ApiError(request, 409, "AlreadyExists", "is there")
            self.lease = self._next(body)
        else:
            assert self.lease is not None
            if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                raise ApiError(request, 409, "Conflict", "was changed")
            self.lease = self._next(body)
        assert self.lease is not None
        return copy.deepcopy(self.lease)

    def _request(self, verb: str, kind: Kind, namespace: str, name: str) -> Request:
        self.calls.append(verb)
        self.clock.now += self.takes
        request = Request(verb, kind.resource, namespace, name)
        if self.fails:
            raise ApiError(request, 0, "", "no answer")
        return request

    def _next(self, body: dict[str, Any]) -> dict[str, Any]:
        version = int(self.lease["metadata"]["resourceVersion"]) + 1 if self.lease else 1
        return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        found: dict[str, Any] = self.lease["spec"]
        return found


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def leases(clock: Clock) -> Leases:
    return Leases(clock)


def candidate(leases: Leases, name: str, clock: Clock | None = None) -> LeaderElection:
    return LeaderElection(cast("UnfencedClient", leases), SETTINGS, name, clock or leases.clock)


async def test_the_first_one_leads(leases: Leases) -> None:
    first = candidate(leases, "a")
    assert first.is_standby.is_set()
    await first.acquire_or_renew()
    assert first.is_leader.is_set()
    assert not first.is_standby.is_set()
    assert leases.spec["holderIdentity"] == "a"
    assert leases.spec["leaseDurationSeconds"] == 15
    assert leases.spec["leaseTransitions"] == 0


async def test_the_second_one_stands_by_while_the_first_renews(leases: Leases, clock: Clock) -> None:
    first, second = candidate(leases, "a"), candidate(leases, "b")
    for _ in range(30):
        await first.acquire_or_renew()
        await second.acquire_or_renew()
        clock.now += 2
    assert first.is_leader.is_set()
    assert not second.is_leader.is_set()
    assert second.time_left() <= 0


async def test_the_second_one_leads_when_the_first_was_silent_for_the_whole_time(leases: Leases, clock: Clock) -> None:
    first, second = candidate(leases, "a"), candidate(leases, "b")
    await first.acquire_or_renew()
    await second.acquire_or_renew()
    clock.now += 14.9
    await second.acquire_or_renew()
    assert not second.is_leader.is_set()
    clock.now += 0.2
    await second.acquire_or_renew()
    assert second.is_leader.is_set()
    assert leases.spec["holderIdentity"] == "b"
    assert leases.spec["leaseTransitions"] == 1


async def test_the_time_counts_from_when_a_change_was_seen_not_from_what_it_says(leases: Leases, clock: Clock) -> None:
    first, late = candidate(leases, "a"), candidate(leases, "b")
    await first.acquire_or_renew()
    leases.spec["renewTime"] = "1999-01-01T00:00:00.000000Z"  # the clock of the other machine is wrong
    clock.now += 100
    await late.acquire_or_renew()
    assert not late.is_leader.is_set()


async def test_nobody_writes_before_the_one_before_has_stopped(leases: Leases, clock: Clock) -> None:
    first, second = candidate(leases, "a"), candidate(leases, "b")
    await first.acquire_or_renew()
    await second.acquire_or_renew()
    while not second.is_leader.is_set():
        clock.now += 0.1
        assert not (first.time_left() > 0 and second.is_leader.is_set())
        await second.acquire_or_renew()
    assert first.time_left() <= 0, "though it has not noticed yet"
    assert second.time_left() > 0


async def test_the_right_to_write_counts_from_when_the_renewal_was_sent(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, "a")
    leases.takes = 4  # for each of the two requests
    await first.acquire_or_renew()
    assert first.time_left() == pytest.approx(15 - 8)
    clock.now += 2.1
    assert first.time_left() <= 0


async def test_a_leader_that_cannot_renew_leads_no_more_in_time(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, "a")
    await first.acquire_or_renew()
    leases.fails = True
    clock.now += 9
    await first.acquire_or_renew()
    assert first.is_leader.is_set(), "there is time for another try"
    clock.now += 1
    await first.acquire_or_renew()
    assert first.is_standby.is_set()


async def test_a_leader_that_was_away_takes_the_lease_again_if_nobody_has(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, "a")
    await first.acquire_or_renew()
    leases.fails = True
    clock.now += 60
    await first.acquire_or_renew()
    leases.fails = False
    await first.acquire_or_renew()
    assert first.is_leader.is_set()
    assert leases.spec["leaseTransitions"] == 0


async def test_a_lease_that_was_given_back_is_taken_at_once(leases: Leases) -> None:
    first, second = candidate(leases, "a"), candidate(leases, "b")
    await first.acquire_or_renew()
    await second.acquire_or_renew()
    await first.release()
    assert first.time_left() <= 0
    await second.acquire_or_renew()
    assert second.is_leader.is_set()
    assert leases.spec["holderIdentity"] == "b"


async def test_one_that_does_not_lead_gives_nothing_back(leases: Leases) -> None:
    first, second = candidate(leases, "a"), candidate(leases, "b")
    await first.acquire_or_renew()
    await second.acquire_or_renew()
    await second.release()
    assert leases.spec["holderIdentity"] == "a"


async def test_of_two_at_once_one_is_faster(leases: Leases) -> None:
    first, second = candidate(leases, "a"), candidate(leases, "b")
    await asyncio.gather(first.acquire_or_renew(), second.acquire_or_renew())
    assert first.is_leader.is_set() != second.is_leader.is_set()


async def test_a_lease_that_a_person_deleted_is_made_anew(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, "a")
    await first.acquire_or_renew()
    leases.lease = None
    clock.now += 2
    await first.acquire_or_renew()
    assert first.is_leader.is_set()
    assert leases.spec["holderIdentity"] == "a"


async def test_one_that_sees_another_have_its_lease_writes_no_more(leases: Leases, clock: Clock) -> None:
    first = candidate(leases, "a")
    await first.acquire_or_renew()
    leases.spec["holderIdentity"] = "b"  # a person handed it over
    clock.now += 2
    await first.acquire_or_renew()
    assert first.time_left() <= 0
    assert first.is_standby.is_set()


async def test_it_says_once_why_it_cannot_lead(leases: Leases, caplog: pytest.LogCaptureFixture) -> None:
    first = candidate(leases, "a")
    leases.fails = True
    for _ in range(3):
        await first.acquire_or_renew()
    assert [record.message for record in caplog.records].count("could not renew the Lease") == 1


async def test_it_takes_part_until_it_is_told_to_stop(leases: Leases) -> None:
    first = candidate(leases, "a")
    running = asyncio.create_task(first.run())
    async with asyncio.timeout(5):
        await first.is_leader.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert first.is_standby.is_set()
    await first.release()
    assert leases.spec["holderIdentity"] == ""
