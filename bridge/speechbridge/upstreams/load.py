"""What a Whisper pod reports of its queue: in the header `Speech-Load` of every response, and as events of `/load`.

The header is a dictionary of RFC 9651, section 3.2; the events are JSON objects with the same members.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_MEMBER = re.compile(r"(?:^|,)[ \t]*([a-z*][a-z0-9_.*-]*)=(-?[0-9]{1,15}(?:\.[0-9]{1,3})?)(?=[ \t;,]|$)")


@dataclass(frozen=True, slots=True)
class Load:
    """The work of a pod, for all its clients.

    Attributes:
        waiting: Requests in its queue.
        working: Requests it works on.
        slots: How many requests it works on together.
        audio_seconds_waiting: Duration of the recordings in its queue.
        audio_seconds_working: Duration of the recordings it works on.
        audio_seconds_per_second: Its measured speed while busy; 0 before the first measurement.
    """

    waiting: int = 0
    working: int = 0
    slots: int = 1
    audio_seconds_waiting: float = 0.0
    audio_seconds_working: float = 0.0
    audio_seconds_per_second: float = 0.0


@lru_cache(maxsize=64)
def load_in_header(value: str) -> Load | None:
    """Parse the header `Speech-Load`; None if it has none of the members.

    Unknown members are ignored, as are malformed ones; what is missing has its default.
    """
    return _load({name: float(number) for name, number in _MEMBER.findall(_QUOTED.sub('""', value))})


def load_in_event(data: str) -> Load | None:
    """Parse the data of an event of `/load`; None if it is not an object with one of the members."""
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return _load(members) if isinstance(members, dict) else None


def _load(members: Mapping[str, Any]) -> Load | None:
    known = {name: members[name] for name in Load.__slots__ if _is_amount(members.get(name))}
    if not known:
        return None
    return Load(
        waiting=int(known.get("waiting", 0)),
        working=int(known.get("working", 0)),
        slots=max(1, int(known.get("slots", 1))),
        audio_seconds_waiting=float(known.get("audio_seconds_waiting", 0.0)),
        audio_seconds_working=float(known.get("audio_seconds_working", 0.0)),
        audio_seconds_per_second=float(known.get("audio_seconds_per_second", 0.0)),
    )


def _is_amount(value: object) -> bool:
    """Return whether a value is a number that can be used: finite, and not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
