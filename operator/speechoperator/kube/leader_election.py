"""Leader election by a Lease, with the rules of client-go's leaderelection.

The one in `kubernetes.aio` (37.0) does not release the Lease on shutdown, so that each rollout would wait for it to
expire; it does not say how long the leader may still write; and it compares the clocks of two machines. Here:

- A replica trusts its own clock only: a Lease has expired when its record has not changed for its duration, counted
  from when this replica saw it change.
- The leader counts from when it *sent* its last renewal. It stops writing `LEASE_RENEW_DEADLINE` seconds later, before
  another replica may take over after `LEASE_DURATION` seconds.
- A leader that shuts down releases the Lease, so that the other replica takes over at once.

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
    from collections.abc import Awaitable, Callable

    from speechoperator.kube.objects import Json
    from speechoperator.kube.unfenced_client import UnfencedClient
    from speechoperator.settings import Settings

_MIN_PAUSE_S = 0.01


class LeaderElection:
    """Takes part in the election; `run` it as a task.

    Args:
        client: The client; it may write without being the leader.
        settings: The name of the Lease, and the durations.
        identity: The name of this replica, unique to the process.
        clock: A monotonic clock, in seconds.
    """

    def __init__(self, client: UnfencedClient, settings: Settings, identity: str, clock: Callable[[], float]) -> None:
        self._client = client
        self._settings = settings
        self._identity = identity
        self._clock = clock
        self._renewed = -math.inf
        self._record: tuple[Any, ...] = ()
        self._record_changed = -math.inf
        self._lease: Json = {}
        self._last_error = ""
        self.is_leader = asyncio.Event()
        """Set while this replica is the leader."""
        self.is_standby = asyncio.Event()
        """Set while it is not."""
        self.is_standby.set()

    def time_left(self) -> float:
        """Return for how many seconds this replica may still write; 0 or less if it may not."""
        if self._clock() >= self._renewed + self._settings.lease_renew_deadline:
            return 0.0
        return self._renewed + self._settings.lease_duration - self._clock()

    async def run(self) -> None:
        """Take part until cancelled; call `release` afterwards."""
        try:
            while True:
                await self.acquire_or_renew()
                await asyncio.sleep(self._pause())
        finally:
            self._set_leader(leader=False)

    async def release(self) -> None:
        """Let another replica become the leader at once. Call it after `run` has ended and the last write is done."""
        if self.time_left() <= 0:
            return
        spec = self._spec(holder="", duration_s=1, acquired=self._lease["spec"].get("acquireTime"))
        self._renewed = -math.inf
        try:
            await self._update(spec)
            logs.info("released the Lease")
        except ApiError as error:
            logs.warning("could not release the Lease", code=error.code, reason=error.advice)

    async def acquire_or_renew(self) -> None:
        """Try once to acquire or renew the Lease."""
        sent = self._clock()
        try:
            held = await self._try()
        except ApiError as error:
            self._failed(error)
            held = False
        else:
            self._last_error = ""
        if held:
            self._renewed = sent
            self._set_leader(leader=True)
        elif self.time_left() <= 0:
            self._set_leader(leader=False)

    def _failed(self, error: ApiError) -> None:
        """Log an error once, not on every retry."""
        if error.advice != self._last_error:
            logs.warning("could not renew the Lease", code=error.code, reason=error.advice)
        self._last_error = error.advice

    def _set_leader(self, *, leader: bool) -> None:
        if leader == self.is_leader.is_set():
            return
        logs.info("became leader" if leader else "lost leadership", identity=self._identity)
        (self.is_leader.set if leader else self.is_leader.clear)()
        (self.is_standby.clear if leader else self.is_standby.set)()

    def _pause(self) -> float:
        """Return the seconds until the next attempt: the retry period, or less if the Lease expires before that."""
        settings = self._settings
        if self.is_leader.is_set():
            deadline = self._renewed + settings.lease_renew_deadline
        else:
            deadline = self._record_changed + self._duration()
        return min(settings.lease_retry_period, max(_MIN_PAUSE_S, deadline - self._clock()))

    async def _try(self) -> bool:
        """Return whether this replica holds the Lease now.

        Raises:
            ApiError: the API server rejected a request for another reason than a concurrent write.
        """
        settings = self._settings
        try:
            self._lease = await self._client.get(
                LEASE, settings.pod_namespace, settings.lease_name, within_s=self._request_timeout()
            )
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return await self._create()
        spec = self._lease.get("spec") or {}
        record = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._record:
            self._record, self._record_changed = record, self._clock()
        held = spec.get("holderIdentity") == self._identity
        free = not spec.get("holderIdentity")
        if not held and not free and self._clock() < self._record_changed + self._duration():
            self._renewed = -math.inf  # this replica may have held it until someone edited the Lease
            return False
        acquired = spec.get("acquireTime") if held else None
        return await self._unless_conflict(self._update(self._spec(self._identity, acquired=acquired)))

    def _duration(self) -> float:
        """Return the seconds for which the Lease is valid after a renewal, as its holder wrote it."""
        spec = self._lease.get("spec") or {}
        return float(spec.get("leaseDurationSeconds") or self._settings.lease_duration)

    def _request_timeout(self) -> float:
        """Return the seconds a request may take: one that hangs leaves time for a second try."""
        return max(1.0, self._settings.lease_renew_deadline / 2)

    async def _create(self) -> bool:
        settings = self._settings
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": settings.lease_name, "namespace": settings.pod_namespace},
            "spec": self._spec(self._identity),
        }
        return await self._unless_conflict(
            self._client.write("create", LEASE, settings.pod_namespace, body=body, within_s=self._request_timeout())
        )

    async def _update(self, spec: Json) -> Json:
        settings = self._settings
        return await self._client.write(
            "update",
            LEASE,
            settings.pod_namespace,
            settings.lease_name,
            body={**self._lease, "spec": spec},
            within_s=self._request_timeout(),
        )

    async def _unless_conflict(self, writing: Awaitable[Json]) -> bool:
        """Return whether a write succeeded; it does not if the Lease has changed since it was read."""
        try:
            self._lease = await writing
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    def _spec(self, holder: str, duration_s: int | None = None, acquired: str | None = None) -> Json:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before = self._lease.get("spec") or {}
        transition = bool(holder and before) and before.get("holderIdentity") != holder
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": duration_s or math.ceil(self._settings.lease_duration),
            "acquireTime": acquired or now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + transition,
        }
