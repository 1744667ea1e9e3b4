"""Replicas for an average load: square-root staffing.

Source: S. Halfin and W. Whitt, "Heavy-traffic limits for queues with many exponential servers", Operations Research
29(3), 1981. For an offered load of `a` servers (in Erlangs), `a + beta * sqrt(a)` servers make the same share of
requests wait, whatever `a` is. A fixed utilization has too few servers for small loads and too many for large ones.
"""

from __future__ import annotations

import math

SERVICE_QUALITY = 1.0
"""The beta of the formula. By Halfin and Whitt, a share of `1 / (1 + beta * Phi(beta) / phi(beta))` of the requests
waits, with the normal distribution and its density: 22 % for 1, 50 % for 0.5."""


def square_root(offered: float, quality: float = SERVICE_QUALITY) -> float:
    """Return the servers for an offered load, both as real numbers; 0 for no load.

    Args:
        offered: Average number of servers that the load keeps busy.
        quality: Servers beyond it, in multiples of its square root.
    """
    return offered + quality * math.sqrt(offered)
