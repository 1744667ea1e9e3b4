"""The load of this server at one moment, as `/load`, the header `Speech-Load` and the metrics report it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

_DIGITS = 3
"""Fractional digits of a decimal in RFC 9651, at most."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the server has to do.

    Attributes:
        held: Requests without a pod. Always 0 here; a bridge reports the same members.
        waiting: Requests in the queue.
        working: Requests with a slot.
        slots: Requests that can have a slot at the same time.
        audio_seconds_waiting: Audio of the requests in the queue.
        audio_seconds_working: Audio that the requests with a slot have yet to decode.
        audio_seconds_per_second: Measured speed while decoding; 0 before the first measurement.
        oldest_wait_seconds: How long the first request in the queue has waited.
    """

    held: int
    waiting: int
    working: int
    slots: int
    audio_seconds_waiting: float
    audio_seconds_working: float
    audio_seconds_per_second: float
    oldest_wait_seconds: float

    def to_json(self) -> dict[str, int | float]:
        """Return the members of the JSON object."""
        return {name: round(value, _DIGITS) for name, value in asdict(self).items()}

    def to_header(self) -> str:
        """Return the value of `Speech-Load`: a dictionary of RFC 9651 (structured fields)."""
        return ", ".join(f"{name}={_item(value)}" for name, value in self.to_json().items())


def _item(value: float) -> str:
    """Serialize an integer, or a decimal without an exponent (RFC 9651, sections 4.1.4 and 4.1.5)."""
    if isinstance(value, int):
        return str(value)
    whole, _, fraction = f"{value:.{_DIGITS}f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"
