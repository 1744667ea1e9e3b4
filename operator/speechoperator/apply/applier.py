"""Apply: carry a plan out, in its order. What the API server refuses is collected, and the rest is done anyway."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from speechoperator.kube import drift, kinds
from speechoperator.kube.errors import ApiError
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import WriteFailure
from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from datetime import datetime

    from speechoperator.apply.writer import Writes
    from speechoperator.kube.objects import Key
    from speechoperator.ollama.pulls import Pulls
    from speechoperator.plan.actions import Apply, Plan
    from speechoperator.watch.store import Store

_LONGEST = 300.0


@dataclass(slots=True)
class Outcome:
    """What came of carrying a plan out.

    Attributes:
        wrote: Whether anything was written, so that what was observed before is old.
        refused: What the API server refused; worth another try.
        undone: What something else in the cluster changes back as often as we write it.
        retry_after: Seconds that the API server wants to be left alone for; 0 where it said nothing.
        requeue_after: In how many seconds what is undone is tried again, None when nothing is.
    """

    wrote: bool = False
    refused: list[WriteFailure] = field(default_factory=list)
    undone: list[WriteFailure] = field(default_factory=list)
    retry_after: float = 0.0
    requeue_after: float | None = None

    @property
    def failures(self) -> tuple[WriteFailure, ...]:
        """All that a person should know of."""
        return (*self.refused, *self.undone)


@dataclass(slots=True)
class _Contest:
    """An object of which a field is changed back: by a webhook, or by another controller."""

    wanted: str
    reason: str
    times: int
    until: float

    def failure(self, ref: Ref) -> WriteFailure:
        message = f"something in the cluster changes it back (an admission webhook?): {self.reason}"
        return WriteFailure(ref, "patch", HTTPStatus.OK, message)


class Applier:
    """Carries plans out.

    Args:
        writes: What is written with.
        pulls: Where pulls run.
        store: Forgets pods that are gone.
    """

    def __init__(self, writes: Writes, pulls: Pulls, store: Store) -> None:
        self._writes = writes
        self._pulls = pulls
        self._store = store
        self._contests: defaultdict[Key, dict[Ref, _Contest]] = defaultdict(dict)

    async def carry_out(self, key: Key, plan: Plan, now: datetime) -> Outcome:
        """Do what a plan says but for its report.

        Raises:
            ApiError: the server does not answer or fails, or the namespace ends: the rest would fail likewise.
            NotLeadingError: another replica may lead.
        """
        outcome = Outcome()
        for orphan in plan.orphan:
            await self._try(outcome, orphan.ref, self._writes.orphan(key.namespace, orphan))
        for apply in plan.apply:
            await self._apply(key, apply, outcome, now.timestamp())
        for delete in plan.delete:
            await self._try(outcome, delete.ref, self._writes.delete(key.namespace, delete))
        for stop in plan.stops:
            self._pulls.stop(key, stop)
            outcome.wrote = True  # its volume is free: what follows is planned anew
        for pull in plan.pulls:
            self._pulls.start(key, pull)
        for gate in plan.gates:
            await self._try(outcome, Ref(kinds.POD.name, gate.pod), self._writes.gate(key.namespace, gate, now))
        return outcome

    def forget(self, key: Key) -> None:
        """Forget a pipeline."""
        self._contests.pop(key, None)

    async def _apply(self, key: Key, action: Apply, outcome: Outcome, now: float) -> None:
        ref = Ref(action.object["kind"], action.object["metadata"]["name"])
        wanted = drift.desired_hash(action.object)
        contest = self._contests[key].get(ref)
        if contest and contest.wanted == wanted and now < contest.until:
            outcome.undone.append(contest.failure(ref))
            outcome.requeue_after = min(outcome.requeue_after or _LONGEST, contest.until - now)
            return
        found = await self._try(outcome, ref, self._writes.apply(action))
        if found is None:
            return
        reason = drift.differs(action.object, found)
        if reason is None:
            self._contests[key].pop(ref, None)
            return
        times = contest.times + 1 if contest and contest.wanted == wanted else 0
        contest = _Contest(wanted, reason, times, now + min(_LONGEST, 2.0**times))
        self._contests[key][ref] = contest
        logs.warning("changed back", kind=ref.kind, name=ref.name, reason=reason, times=times)
        outcome.undone.append(contest.failure(ref))
        outcome.requeue_after = min(outcome.requeue_after or _LONGEST, contest.until - now)

    async def _try(self, outcome: Outcome, ref: Ref, writing: Awaitable[object]) -> dict[str, object] | None:
        """Write; return what it came to, None when it was refused."""
        try:
            found = await writing
        except ApiError as error:
            if error.concerns_all or error.namespace_ends:
                raise
            if ref.kind == kinds.POD.name and error.status == HTTPStatus.NOT_FOUND:
                return None
            logs.warning("refused", kind=ref.kind, name=ref.name, code=error.code, reason=error.advice)
            verb = (error.missing_right or error.request).verb
            outcome.refused.append(WriteFailure(ref, verb, error.status, error.message, error.reason))
            outcome.retry_after = max(outcome.retry_after, error.retry_after or 0.0)
            return None
        outcome.wrote = True
        return found if isinstance(found, dict) else None
