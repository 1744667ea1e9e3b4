"""Which replica leads: election by a Lease, with the rules of client-go's leaderelection.

Own, since the one in `kubernetes.aio` (37.0) neither gives the Lease back when it ends, so that each rollout would wait
for it to run out, nor tells how long its holder may still write; and it compares clocks of two machines.

- Nobody's clock is trusted but one's own: a Lease has run out when its record has not changed for as long as it
  promises, counted from when this replica saw it change.
- A leader counts from when it *sent* its last renewal. It stops to write `renew` seconds after that, so before another
  may take over, `duration` seconds after it.
- A leader that ends gives the Lease back, so that the next one follows at once.

https://pkg.go.dev/k8s.io/client-go/tools/leaderelection
"""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from speechoperator.kube.errors import ApiError
from speechoperator.kube.kinds import LEASE
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechoperator.kube.client import Cluster, Json
    from speechoperator.settings import Settings


class Election:
    """Takes part in the election; `run` it as a task.

    Args:
        cluster: The API.
        settings: The name of the Lease, and the times.
        identity: Who takes part; no two processes may have the same.
        clock: Seconds that only grow.
    """

    def __init__(self, cluster: Cluster, settings: Settings, identity: str, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._identity = identity
        self._clock = clock
        self._renewed = -math.inf
        self._seen: tuple[Any, ...] = ()
        self._seen_at = -math.inf
        self._lease: Json = {}
        self._complaint = ""
        self.leads = asyncio.Event()
        """Set while this replica leads."""
        self.follows = asyncio.Event()
        """Set while it does not."""
        self.follows.set()

    def time_left(self) -> float:
        """Return for how many seconds this replica may still write; none when negative."""
        if self._clock() >= self._renewed + self._settings.lease_renew_deadline:
            return 0.0
        return self._renewed + self._settings.lease_duration - self._clock()

    async def run(self) -> None:
        """Take part until cancelled; `give_back` then."""
        try:
            while True:
                await self.turn()
                await asyncio.sleep(self._pause())
        finally:
            self._turned(leads=False)

    async def give_back(self) -> None:
        """Let the next one lead at once. To be called when `run` has ended and nothing is written any more."""
        if self.time_left() <= 0:
            return
        spec = self._record(holder="", seconds=1, acquired=self._lease["spec"].get("acquireTime"))
        self._renewed = -math.inf
        try:
            await self._update(spec)
            logs.info("gave the lease back")
        except ApiError as error:
            logs.warning("could not give the lease back", reason=error.advice)

    async def turn(self) -> None:
        """Take the Lease, renew it, or see who has it."""
        sent = self._clock()
        try:
            taken = await self._take_or_renew()
        except ApiError as error:
            self._complain(error.advice)
            taken = False
        else:
            self._complaint = ""
        if taken:
            self._renewed = sent
            self._turned(leads=True)
        elif self.time_left() <= 0:
            self._turned(leads=False)

    def _complain(self, reason: str) -> None:
        """Log a failure once, not at every turn."""
        if reason != self._complaint:
            logs.warning("could not see to the lease", reason=reason)
        self._complaint = reason

    def _turned(self, *, leads: bool) -> None:
        if leads == self.leads.is_set():
            return
        logs.info("leads" if leads else "leads no more", identity=self._identity)
        (self.leads.set if leads else self.leads.clear)()
        (self.follows.clear if leads else self.follows.set)()

    def _pause(self) -> float:
        """Return when to look again: as the Lease runs out, where that is before the next turn."""
        settings = self._settings
        if self.leads.is_set():
            until = self._renewed + settings.lease_renew_deadline - self._clock()
        else:
            until = self._seen_at + self._promised() - self._clock()
        return min(settings.lease_retry_period, max(0.01, until))

    async def _take_or_renew(self) -> bool:
        """Return whether the Lease is ours now.

        Raises:
            ApiError: the API server refused for another reason than that somebody was faster.
        """
        settings = self._settings
        try:
            self._lease = await self._cluster.call(
                "get", LEASE, settings.pod_namespace, settings.lease_name, within=self._within()
            )
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return await self._create()
        spec = self._lease.get("spec") or {}
        record = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._seen:
            self._seen, self._seen_at = record, self._clock()
        ours = spec.get("holderIdentity") == self._identity
        free = not spec.get("holderIdentity")
        if not ours and not free and self._clock() < self._seen_at + self._promised():
            self._renewed = -math.inf  # it may have been ours until somebody gave it to another
            return False
        acquired = spec.get("acquireTime") if ours else None
        return await self._unless_faster(self._update(self._record(self._identity, acquired=acquired)))

    def _promised(self) -> float:
        """Return for how many seconds the Lease's holder has it after a renewal."""
        spec = self._lease.get("spec") or {}
        return float(spec.get("leaseDurationSeconds") or self._settings.lease_duration)

    def _within(self) -> float:
        """Return the seconds a request may take, so that one that hangs leaves time for another try."""
        return max(1.0, self._settings.lease_renew_deadline / 2)

    async def _create(self) -> bool:
        settings = self._settings
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": settings.lease_name, "namespace": settings.pod_namespace},
            "spec": self._record(self._identity),
        }
        return await self._unless_faster(
            self._cluster.call("create", LEASE, settings.pod_namespace, body=body, within=self._within())
        )

    async def _update(self, spec: Json) -> Json:
        settings = self._settings
        body = {**self._lease, "spec": spec}
        return await self._cluster.call(
            "update", LEASE, settings.pod_namespace, settings.lease_name, body=body, within=self._within()
        )

    async def _unless_faster(self, writing: Any) -> bool:
        """Return whether a write came through: not when another wrote since we looked."""
        try:
            self._lease = await writing
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    def _record(self, holder: str, seconds: int | None = None, acquired: str | None = None) -> Json:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = self._lease.get("spec") or {}
        changes = bool(holder and before) and before.get("holderIdentity") != holder
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds or math.ceil(self._settings.lease_duration),
            "acquireTime": acquired or now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + changes,
        }
