"""A parser of server-sent events.

Source: WHATWG HTML, section 9.2, "Server-sent events".
"""

from __future__ import annotations

from typing import NamedTuple

_MAX_LINE_BYTES = 8 * 2**20


class Event(NamedTuple):
    """One event: its type (`message` by default) and its data."""

    type: str
    data: str


class Parser:
    """Parses a stream of events from chunks of any size.

    Fields other than `event` and `data` are ignored, as are comments. Lines may end in CR, LF or CRLF.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._type = ""
        self._data: list[str] = []
        self._skip_lf = False
        self._started = False

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events completed by this chunk.

        Raises:
            ValueError: A line is longer than 8 MiB, or not UTF-8.
        """
        if not chunk:
            return []
        data = self._rest + chunk
        if not self._started:
            if len(data) < len(b"\xef\xbb\xbf") and b"\xef\xbb\xbf".startswith(data):
                self._rest = data
                return []
            data = data.removeprefix(b"\xef\xbb\xbf")
            self._started = True
        if self._skip_lf:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        # A CR at the very end ends its line now; the LF that may follow belongs to it.
        self._skip_lf = data.endswith(b"\r")
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _MAX_LINE_BYTES:
            message = "a line of the event stream is too long"
            raise ValueError(message)
        events = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(Event(self._type or "message", "\n".join(self._data)))
                self._type, self._data = "", []
            else:
                self._take(line)
        return events

    def _take(self, line: bytes) -> None:
        field, _, value = line.decode().partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._type = value
