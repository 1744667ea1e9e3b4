"""A parser of server-sent events.

Source: WHATWG HTML, section 9.2, "Server-sent events".
"""

from __future__ import annotations

from typing import NamedTuple

_MAX_EVENT_BYTES = 64 * 2**20
"""As `Connection.read` allows for a whole body: the last event may contain all segments of hours of speech."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: its type (`message` by default) and its data."""

    type: str
    data: str


class Parser:
    """Parses a stream of events from chunks of any size, each byte once.

    Fields other than `event` and `data` are ignored, as are comments. Lines may end in CR, LF or CRLF.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []  # the pieces of the line that has not ended
        self._size = 0  # of the event that has not ended
        self._type = ""
        self._data: list[str] = []
        self._skip_lf = False
        self._start = b""
        self._started = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events completed by this chunk.

        Raises:
            ValueError: An event is longer than 64 MiB, or not UTF-8.
        """
        if not self._started:
            chunk = self._without_mark(chunk)
        if self._skip_lf and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._skip_lf = False
        if not chunk:
            return []
        self._size += len(chunk)
        end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if not end:
            self._line.append(chunk)
            events = []
        else:
            # A CR at the very end ends its line now; the LF that may follow belongs to it.
            self._skip_lf = chunk.endswith(b"\r")
            whole = b"".join([*self._line, chunk[:end]])
            self._line = [chunk[end:]] if end < len(chunk) else []
            events = self._events_in(whole)
        if self._size > _MAX_EVENT_BYTES:
            message = "an event of the stream is too long"
            raise ValueError(message)
        return events

    def _without_mark(self, chunk: bytes) -> bytes:
        """Return the chunk without a byte order mark, which may arrive in pieces; empty while that is undecided."""
        start = self._start + chunk
        if len(start) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(start):
            self._start = start
            return b""
        self._started = True
        return start.removeprefix(_BYTE_ORDER_MARK)

    def _events_in(self, lines: bytes) -> list[Event]:
        if b"\r" in lines:
            lines = lines.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        events = []
        for line in lines[:-1].split(b"\n"):
            if line:
                self._take(line)
                continue
            if self._data:
                events.append(Event(self._type or "message", "\n".join(self._data)))
            self._type, self._data = "", []
            self._size = sum(map(len, self._line))
        return events

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode()
        if field == b"data":
            self._data.append(text)
        elif field == b"event":
            self._type = text
