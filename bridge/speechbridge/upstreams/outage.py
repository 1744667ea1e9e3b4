"""Since when no pod of an upstream can be reached, and how long its last outage took.

The bridge sends nothing for this: it uses DNS lookups, attempts to connect, and responses. An outage counts as measured
only if both its ends were noticed within ten seconds, so an idle bridge measures none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

_NOTICED_WITHIN_S = 10.0
_LONGEST_START_S = 600.0  # nobody waits for a longer outage: the upstream was scaled to zero, for example


@dataclass(frozen=True)
class Sample:
    """What is known of the pods at one moment; times are the loop's, in seconds.

    Attributes:
        found: Whether the name of the upstream resolves to any.
        up: Whether the last attempt to connect to any of them succeeded, or none has been made.
        contact_at: When one of them was last seen alive, -inf if never.
    """

    found: bool
    up: bool
    contact_at: float


@dataclass(frozen=True)
class Outage:
    """The present outage, if there is one, and the duration of the last one; times are the loop's, in seconds.

    Attributes:
        since: When it was noticed, None if a pod can be reached.
        noticed: Whether it began within ten seconds before that.
        back_at: When there was a pod again that has not accepted a connection yet.
        last_s: How long the last measured outage took.
    """

    since: float | None = None
    noticed: bool = False
    back_at: float | None = None
    last_s: float | None = None

    def elapsed(self, now: float) -> float | None:
        """Return for how long no pod has been reachable, None if one is, or may be."""
        return None if self.since is None or self.back_at is not None else now - self.since

    def remaining(self, now: float) -> float | None:
        """Return how long the outage will still last if it takes as long as the last one, None if that is unknown."""
        elapsed = self.elapsed(now)
        if elapsed is None or self.last_s is None or not self.noticed or elapsed >= self.last_s:
            return None
        return self.last_s - elapsed


def observed(before: Outage, pods: Sample, now: float) -> Outage:
    """Return the outage after something about the pods has changed."""
    if not pods.up:
        return _down(before, pods, now)
    if before.since is None:
        return before
    back_at = now if before.back_at is None else before.back_at
    if pods.contact_at <= before.since:
        return replace(before, back_at=back_at)
    took = pods.contact_at - before.since
    measured = before.noticed and pods.contact_at - back_at <= _NOTICED_WITHIN_S and took <= _LONGEST_START_S
    return Outage(last_s=took if measured else before.last_s)


def _down(before: Outage, pods: Sample, now: float) -> Outage:
    new = before.since is None or (before.back_at is not None and now - before.back_at > _NOTICED_WITHIN_S)
    if not new:
        return replace(before, back_at=None)
    # Lookups are repeated every few seconds. A refused connection tells nothing about when the pod became unavailable.
    noticed = not pods.found or now - pods.contact_at <= _NOTICED_WITHIN_S
    return Outage(since=now, noticed=noticed, last_s=before.last_s)
