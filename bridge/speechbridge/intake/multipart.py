"""Parses multipart/form-data as it arrives: bytes in, events out, no I/O (RFC 7578, RFC 2046 section 5.1).

This is the audio hot path. A chunk without a delimiter is returned as the object that was fed. Between two feeds only
the start of a possible delimiter, or of a header line, is retained.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from speechbridge.intake.multipart_headers import (
    Code,
    MultipartError,
    PartBegin,
    add_header,
    boundary_of,
    part_in,
    part_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "PART_END",
    "Code",
    "Event",
    "Limits",
    "MultipartError",
    "MultipartParser",
    "PartBegin",
    "PartEnd",
    "boundary_of",
]

_END_OF_LAST_LINE = frozenset({b"", b"\r\n"})
_NOT_PADDING = re.compile(rb"[^ \t]")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a body; the data of a part is not limited here.

    Attributes:
        max_parts: Parts in one body.
        max_header_bytes: All header lines of one part together, line ends included.
        max_preamble_bytes: Bytes before the first delimiter (RFC 2046 allows any; they are discarded).
    """

    max_parts: int = 64
    max_header_bytes: int = 8192
    max_preamble_bytes: int = 8192


@dataclass(frozen=True, slots=True)
class PartEnd:
    """All data of the current part has been returned."""


PART_END: Final = PartEnd()

Event: TypeAlias = PartBegin | bytes | PartEnd
_State: TypeAlias = "Callable[[MultipartParser, bytes, int, list[Event]], int]"


class MultipartParser:
    """Turns the bytes of one multipart/form-data body, split anywhere, into `PartBegin`, data and `PartEnd`.

    The delimiter is CRLF, two hyphens and the boundary. RFC 2046 section 5.1.1 forbids it inside a part, so a line that
    starts with it and continues with other text is rejected. Line ends are CRLF, never LF.

    Not usable after an error.
    """

    def __init__(self, boundary: bytes, limits: Limits = Limits()) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._limits = limits
        self._state: _State = MultipartParser._at_line_start
        self._carry = b""
        self._parts = 0
        self._in_preamble = True
        self._complete = False
        self._preamble_bytes = 0
        self._header_bytes = 0
        self._headers: dict[str, str] = {}

    @property
    def complete(self) -> bool:
        """Whether the closing delimiter has been parsed; an epilogue may follow and is discarded."""
        return self._complete

    def feed(self, data: bytes) -> list[Event]:
        """Parse the next bytes; return the events in order. Data is never empty, and rarely copied.

        Raises:
            MultipartError: The body is malformed or exceeds a limit. Earlier events of this feed are lost.
        """
        if self._carry:
            data = self._carry + data
        events: list[Event] = []
        position = 0
        state = None
        while state is not self._state:  # a state that does not change needs more data
            state = self._state
            position = state(self, data, position, events)
        self._carry = data[position:]
        return events

    def feed_whole(self, data: bytes) -> list[Event]:
        """Parse a complete body, as `feed` and `finish` do: in one pass if it is as most programs send it.

        Raises:
            MultipartError: The body is malformed or exceeds a limit.
        """
        events = self._regular_form(data)
        if events is None:
            events = self.feed(data)
            self.finish()
        return events

    def _regular_form(self, data: bytes) -> list[Event] | None:
        """Return the events of a body that is all delimiters, headers and data; None if it is not, or is invalid."""
        delimiter, limits = self._delimiter, self._limits
        at = len(delimiter) - 2
        if not data.startswith(delimiter[2:]):
            return None
        events: list[Event] = []
        for _ in range(limits.max_parts):
            start = at + 2
            end = data.find(b"\r\n\r\n", start, start + limits.max_header_bytes)
            if end < 0 or data[at : at + 4] == b"\r\n\r\n" or data[at:start] != b"\r\n":
                break
            try:
                events.append(part_in(data[start : end + 2]))
            except MultipartError:
                return None
            at = data.find(delimiter, end + 2)
            if at < 0:
                return None
            if at > end + 4:
                events.append(data[end + 4 : at])
            events.append(PART_END)
            at += len(delimiter)
        self._complete = data[at : at + 2] == b"--" and data[at + 2 : at + 4] in _END_OF_LAST_LINE
        return events if self._complete else None

    def finish(self) -> None:
        """Call at the end of the body.

        Raises:
            MultipartError: The closing delimiter is missing.
        """
        if self._complete:
            return
        if self._in_preamble:
            raise MultipartError("the body does not contain the boundary given in Content-Type")
        raise MultipartError("the closing boundary is missing: the upload was cut off")

    # The states. Each parses `data` from `position`, appends to `events` and returns the new position.

    def _at_line_start(self, data: bytes, position: int, events: list[Event]) -> int:
        """Accept a delimiter without its CRLF: at the start of the body, and after headers, which end in CRLF."""
        line = self._delimiter[2:]
        seen = data[position : position + len(line)]
        if seen == line:
            return self._end_content(position + len(line), events)
        if not line.startswith(seen):
            self._state = MultipartParser._read_content
        return position

    def _read_content(self, data: bytes, position: int, events: list[Event]) -> int:
        """Return the part's data, or drop the preamble, up to the next delimiter or the start of a possible one."""
        found = data.find(self._delimiter, position)
        end = found if found >= 0 else self._possible_delimiter(data, position)
        if end > position:
            if self._in_preamble:
                self._count_preamble(end - position)
            else:
                events.append(data[position:end])  # CPython does not copy a slice of the whole object
        return end if found < 0 else self._end_content(found + len(self._delimiter), events)

    def _read_delimiter(self, data: bytes, position: int, _events: list[Event]) -> int:
        """Distinguish the closing delimiter from one between parts."""
        seen = data[position : position + 2]
        if seen == b"--":
            self._complete = True
            position += 2
        elif b"--".startswith(seen):
            return position
        self._state = MultipartParser._read_line_end
        return position

    def _read_line_end(self, data: bytes, position: int, _events: list[Event]) -> int:
        """Skip transport padding (RFC 2046 section 5.1.1) and the CRLF after it."""
        text = _NOT_PADDING.search(data, position)
        position = text.start() if text else len(data)
        seen = data[position : position + 2]
        if seen == b"\r\n":
            self._state = MultipartParser._read_epilogue if self._complete else MultipartParser._read_headers
            return position + 2
        if b"\r\n".startswith(seen):
            return position
        if seen.startswith(b"\n"):
            raise MultipartError("a boundary line ends with LF; lines must end with CRLF")
        raise MultipartError("a line starts with the boundary and continues with other text")

    def _read_headers(self, data: bytes, position: int, events: list[Event]) -> int:
        room = self._limits.max_header_bytes - self._header_bytes
        end = data.find(b"\r\n\r\n", position, position + room)
        if end >= 0 and not self._header_bytes and not data.startswith(b"\r\n", position):  # all are here
            events.append(self._begin_part(part_in(data[position : end + 2])))
            return end + 4
        while (end := data.find(b"\n", position, position + room)) >= 0:
            line = data[position : end + 1]
            position = end + 1
            room -= len(line)
            if line == b"\r\n":
                events.append(self._begin_part(part_of(self._headers)))
                return position
            add_header(self._headers, line)
        if len(data) - position >= room:
            raise MultipartError(
                f"the headers of a part are larger than {self._limits.max_header_bytes} bytes", "headers_too_large"
            )
        self._header_bytes = self._limits.max_header_bytes - room
        return position

    def _read_epilogue(self, data: bytes, _position: int, _events: list[Event]) -> int:
        return len(data)

    # Helpers of the states.

    def _possible_delimiter(self, data: bytes, position: int) -> int:
        """Return where a delimiter may begin at the end of `data`, else its end; its first byte is its only CR."""
        start = data.rfind(b"\r", max(position, len(data) - len(self._delimiter) + 1))
        return start if start >= 0 and self._delimiter.startswith(data[start:]) else len(data)

    def _end_content(self, position: int, events: list[Event]) -> int:
        if not self._in_preamble:
            events.append(PART_END)
        self._in_preamble = False
        self._state = MultipartParser._read_delimiter
        return position

    def _count_preamble(self, size: int) -> None:
        self._preamble_bytes += size
        if self._preamble_bytes > self._limits.max_preamble_bytes:
            raise MultipartError(f"no boundary in the first {self._limits.max_preamble_bytes} bytes of the body")

    def _begin_part(self, part: PartBegin) -> PartBegin:
        self._parts += 1
        if self._parts > self._limits.max_parts:
            raise MultipartError(f"the body has more than {self._limits.max_parts} parts", "too_many_parts")
        self._headers = {}
        self._header_bytes = 0
        self._state = MultipartParser._at_line_start
        return part
