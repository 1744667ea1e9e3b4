"""A request at a pod: acquired for the duration of a block, and perhaps moved while it waits in the pod's queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from speechbridge.upstreams.account import UNKNOWN_AUDIO_S
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from speechbridge.upstreams.connection import Connection
    from speechbridge.upstreams.endpoint import Endpoint
    from speechbridge.upstreams.pool import Pool
    from speechbridge.wait_budget import WaitBudget

_CONTINUE_TIMEOUT_S = 1.0
"""How long a pod without a queue is asked for permission: some servers ignore `Expect` (RFC 9110, section 10.1.1)."""


@dataclass(slots=True, eq=False)  # not frozen: that takes five times as long, for two in each request
class PodRequest:
    """What a request asks of a pool; each is counted by its identity.

    Attributes:
        budget: How long it may still wait.
        avoid: Pods that failed it: chosen if there is no other, or none became free in time.
        prefer: The pod that has its prompt in its prefix cache.
        retry: Whether an earlier attempt failed: it then goes to the head of the queue, since it has waited already.
        model: The model that it names; empty if that does not matter.
        audio_seconds: Estimated duration of its recording, 0 if unknown.
        may_recover: Those of `avoid` that gave no answer: it may move back to one that has cooled down.
    """

    budget: WaitBudget
    avoid: frozenset[Endpoint] = frozenset()
    prefer: Endpoint | None = None
    retry: bool = False
    model: str = ""
    audio_seconds: float = 0.0
    may_recover: frozenset[Endpoint] = frozenset()

    @property
    def excluded(self) -> frozenset[Endpoint]:
        """Pods that it must not move to."""
        return self.avoid - self.may_recover

    @property
    def weight(self) -> float:
        """The seconds of audio that it counts as."""
        return self.audio_seconds or UNKNOWN_AUDIO_S


class Acquisition:
    """Acquires a pod for the duration of a block: `async with pool.acquire(...) as endpoint`.

    A class rather than a decorated generator, since it takes half the CPU; all hot paths here do this.

    Attributes:
        request: What was asked for.
        endpoint: The pod; another one after the request has moved.
        on_wait: Called when the request has to wait for a pod.
        on_begin: Called when the pod may begin to work: the request was not queued there, or has left the pod's queue.
        waited: Whether it had to wait for a pod.
    """

    __slots__ = ("_acquired_at", "_pool", "endpoint", "on_begin", "on_wait", "request", "waited")

    endpoint: Endpoint

    def __init__(self, pool: Pool, request: PodRequest) -> None:
        self._pool = pool
        self.request = request
        self.on_wait: Callable[[], None] | None = None
        self.on_begin: Callable[[], None] | None = None
        self.waited = False

    async def __aenter__(self) -> Endpoint:
        pool = self._pool
        endpoint = pool.acquire_now(self.request)
        if endpoint is None:
            self.waited = True
            if self.on_wait is not None:
                self.on_wait()
            endpoint = await pool.wait_for_turn(self.request)
        self.endpoint = endpoint
        self._acquired_at = pool.time()
        return endpoint

    async def __aexit__(self, _: type[BaseException] | None, error: BaseException | None, *__: object) -> None:
        self._pool.release(self.endpoint, self.request, error)

    def exchange(self) -> QueuedExchange:
        """Acquire a connection for one exchange that may wait in the pod's queue."""
        return QueuedExchange(self)

    def begin(self) -> None:
        """Note that the pod may begin to work."""
        if self.on_begin is not None:
            self.on_begin()

    async def permission(self, connection: Connection) -> bool:
        """Wait until the pod asks for the body, or has responded without it.

        Returns:
            False if the request has moved to another pod instead.

        Raises:
            UpstreamError: `busy` if the request may wait no longer; or the connection was lost.
        """
        endpoint = self.endpoint
        if not endpoint.reports_load:
            await connection.permission(_CONTINUE_TIMEOUT_S)
            return True
        budget = self.request.budget
        left = budget.queue - (self._pool.time() - self._acquired_at)
        with self._pool.queued(self, connection):
            permitted = await connection.permission(left)
        if self.endpoint is not endpoint:
            return False
        if not permitted:
            raise UpstreamError(FailureKind.BUSY, "every pod is busy")
        if not connection.answered:  # a refusal is accounted for where it is retried
            endpoint.health.busy = False
            budget.spend(self._pool.time() - self._acquired_at)
        return True


class QueuedExchange:
    """A connection for one exchange whose request is sent in two steps: the head, then the body if the pod asks for it.

    Attributes:
        connection: The connection; another one after the request has moved.
    """

    __slots__ = ("_acquisition", "connection")

    connection: Connection

    def __init__(self, acquisition: Acquisition) -> None:
        self._acquisition = acquisition

    async def __aenter__(self) -> Self:
        self.connection = await self._acquisition.endpoint.acquire_connection()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._acquisition.endpoint.release_connection(self.connection)
        else:
            self.connection.abort()

    @property
    def endpoint(self) -> Endpoint:
        """The pod."""
        return self._acquisition.endpoint

    @property
    def audio_seconds(self) -> float:
        """Estimated duration of the recording, 0 if unknown."""
        return self._acquisition.request.audio_seconds

    def begin(self) -> None:
        """Note that the request is sent without waiting for the pod."""
        self._acquisition.begin()

    async def ask(self, head: bytes) -> None:
        """Send the head, and wait until the body may be sent or the pod has responded (see `Connection.answered`).

        Meanwhile the request may move to another pod: its connection is closed, and the head sent there.

        Raises:
            UpstreamError: As `Acquisition.permission`, with `sent` False; or `connect`.
        """
        while True:
            self.connection.begin_body()
            self.connection.send(head)
            try:
                if await self._acquisition.permission(self.connection):
                    break
            except UpstreamError as error:
                error.sent = False
                raise
            self.connection.abort()
            self.connection = await self._acquisition.endpoint.acquire_connection()
        if not self.connection.answered:
            self.begin()
