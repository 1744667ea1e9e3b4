"""Read multipart/form-data as it arrives: bytes in, events out, no I/O (RFC 7578, RFC 2046 section 5.1).

This is the way of the audio through the bridge. A chunk without a delimiter leaves as the very object that came in;
what is held back between two feeds is the start of a possible delimiter, or of a header line, and nothing else.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

Code: TypeAlias = Literal["bad_multipart", "too_many_parts", "headers_too_large"]

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]")  # bchars, RFC 2046 section 5.1.1
_MAX_BOUNDARY_LENGTH = 70
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_PADDING = re.compile(rb"[^ \t]")
_PARAMETER = re.compile(r';[ \t]*([^\s";=]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))[ \t]*')
_ESCAPED = re.compile(r'\\(["\\])')
_ENCODINGS_THAT_CHANGE_NOTHING = frozenset({"7bit", "8bit", "binary"})
_HEADERS_READ = frozenset({"content-disposition", "content-type", "content-transfer-encoding"})


class MultipartError(ValueError):
    """The body or its Content-Type cannot be read as multipart/form-data; the text says why to a person.

    Attributes:
        code: the same in a stable form, for programs.
    """

    def __init__(self, message: str, code: Code = "bad_multipart") -> None:
        super().__init__(message)
        self.code: Code = code


@dataclass(frozen=True, slots=True)
class Limits:
    """What a body may ask of memory and patience; the data of a part is not limited here.

    Attributes:
        max_parts: parts in one body.
        max_header_bytes: all header lines of one part together, line ends included.
        max_preamble_bytes: bytes before the first delimiter (RFC 2046 allows any; they are discarded).
    """

    max_parts: int = 64
    max_header_bytes: int = 8192
    max_preamble_bytes: int = 8192


@dataclass(frozen=True, slots=True)
class PartBegin:
    """The headers of a part are read; its data follows.

    Attributes:
        name: the form field, as Content-Disposition says; may be empty, never holds control characters.
        filename: the same for a file's name, a bare hint of the client; None when it sent none.
        content_type: the value of the part's Content-Type, as sent; None when there is none.
    """

    name: str
    filename: str | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class PartEnd:
    """All data of the part that began last has been handed out."""


PART_END: Final = PartEnd()

Event: TypeAlias = PartBegin | bytes | PartEnd
_State: TypeAlias = "Callable[[MultipartParser, bytes, int, list[Event]], int]"


def boundary_of(content_type: str) -> bytes:
    """Take the boundary out of a request's Content-Type header, with or without quotes.

    Raises:
        MultipartError: not multipart/form-data, or the boundary is missing, empty, longer than 70 characters or made
            of characters that RFC 2046 section 5.1.1 does not allow.
    """
    media_type, parameters = _value_and_parameters(content_type, "Content-Type")
    if media_type != "multipart/form-data":
        raise MultipartError(f"Content-Type must be multipart/form-data, not {media_type[:80]!r}")
    boundary = parameters.get("boundary")
    if not boundary:
        raise MultipartError("Content-Type names no boundary")
    if len(boundary) > _MAX_BOUNDARY_LENGTH:
        raise MultipartError(f"the boundary has {len(boundary)} characters, {_MAX_BOUNDARY_LENGTH} are allowed")
    if not _BOUNDARY.fullmatch(boundary):
        raise MultipartError(f"the boundary {boundary!r} has characters that RFC 2046 does not allow")
    return boundary.encode("ascii")


class MultipartParser:
    """Turns the bytes of one multipart/form-data body, cut anywhere, into `PartBegin`, data and `PartEnd`.

    The delimiter is CRLF, two hyphens and the boundary. As RFC 2046 section 5.1.1 forbids it inside a part, a line that
    starts with it and goes on with something else is refused instead of guessed at. Line ends are CRLF, never LF.

    After an error the parser is spent.
    """

    def __init__(self, boundary: bytes, limits: Limits = Limits()) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._limits = limits
        self._state: _State = MultipartParser._at_line_start
        self._held = b""
        self._parts = 0
        self._in_preamble = True
        self._complete = False
        self._preamble_bytes = 0
        self._header_bytes = 0
        self._headers: dict[str, str] = {}

    @property
    def complete(self) -> bool:
        """Whether the closing delimiter has been seen; what may follow is an epilogue, to be discarded."""
        return self._complete

    def feed(self, data: bytes) -> list[Event]:
        """Read on, and return what became known: in order, data never empty, and not copied where it can be helped.

        Raises:
            MultipartError: the body breaks the format or a limit. What this feed had found before is lost.
        """
        if self._held:
            data = self._held + data
        events: list[Event] = []
        position = 0
        state = None
        while state is not self._state:  # a state that stays itself wants more data
            state = self._state
            position = state(self, data, position, events)
        self._held = data[position:]
        return events

    def finish(self) -> None:
        """Say that the body has ended.

        Raises:
            MultipartError: it ended before its closing delimiter.
        """
        if self._complete:
            return
        if self._in_preamble:
            raise MultipartError("the body does not contain the boundary that Content-Type names")
        raise MultipartError("the body ends before its closing boundary: the upload was cut off")

    # The states. Each reads `data` from `position`, adds to `events` and returns how far it came.

    def _at_line_start(self, data: bytes, position: int, events: list[Event]) -> int:
        """A delimiter may come without its CRLF: at the start of the body, and after headers, whose CRLF serves it."""
        line = self._delimiter[2:]
        seen = data[position : position + len(line)]
        if seen == line:
            return self._end_content(position + len(line), events)
        if not line.startswith(seen):
            self._state = MultipartParser._read_content
        return position

    def _read_content(self, data: bytes, position: int, events: list[Event]) -> int:
        """Hand out the part's data, or drop the preamble, up to the next delimiter or what may become one."""
        found = data.find(self._delimiter, position)
        end = found if found >= 0 else self._possible_delimiter(data, position)
        if end > position:
            if self._in_preamble:
                self._count_preamble(end - position)
            else:
                events.append(data[position:end])  # in CPython all of a bytes object is that object: no copy
        return end if found < 0 else self._end_content(found + len(self._delimiter), events)

    def _read_delimiter(self, data: bytes, position: int, _events: list[Event]) -> int:
        """Tell the closing delimiter from one between parts."""
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
        raise MultipartError("a line starts with the boundary and goes on with other text")

    def _read_headers(self, data: bytes, position: int, events: list[Event]) -> int:
        room = self._limits.max_header_bytes - self._header_bytes
        while (end := data.find(b"\n", position, position + room)) >= 0:
            line = data[position : end + 1]
            position = end + 1
            room -= len(line)
            if line == b"\r\n":
                events.append(self._begin_part())
                return position
            self._add_header(line)
        if len(data) - position >= room:
            raise MultipartError(
                f"the headers of a part are larger than {self._limits.max_header_bytes} bytes", "headers_too_large"
            )
        self._header_bytes = self._limits.max_header_bytes - room
        return position

    def _read_epilogue(self, data: bytes, _position: int, _events: list[Event]) -> int:
        return len(data)

    # What the states are made of.

    def _possible_delimiter(self, data: bytes, position: int) -> int:
        """Where at the end of `data` a delimiter may have begun, else its end. A delimiter has one CR: its first."""
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

    def _add_header(self, line: bytes) -> None:
        name, value = _header(line)
        if name in self._headers:
            raise MultipartError(f"a part has two {name} headers")
        if name in _HEADERS_READ:  # all others MUST be ignored: RFC 7578 section 4.8
            self._headers[name] = value

    def _begin_part(self) -> PartBegin:
        self._parts += 1
        if self._parts > self._limits.max_parts:
            raise MultipartError(f"the body has more than {self._limits.max_parts} parts", "too_many_parts")
        part = _part(self._headers)
        self._headers = {}
        self._header_bytes = 0
        self._state = MultipartParser._at_line_start
        return part


def _header(line: bytes) -> tuple[str, str]:
    """Split one header line, CRLF included, into its name in lower case and its value (RFC 5322 section 2.2)."""
    if not line.endswith(b"\r\n"):
        raise MultipartError("a header line of a part ends with LF; lines must end with CRLF")
    try:
        text = line[:-2].decode("utf-8")
    except UnicodeDecodeError as error:
        raise MultipartError("a header of a part is not UTF-8") from error
    if text[0] in " \t":
        raise MultipartError("a header of a part is folded over several lines")
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
        raise MultipartError(f"a part has a malformed header: {text[:80]!r}")
    return name.lower(), value.strip(" \t")


def _part(headers: dict[str, str]) -> PartBegin:
    """Read the headers of one part (RFC 7578 sections 4.2, 4.4 and 4.7)."""
    encoding = headers.get("content-transfer-encoding", "binary").lower()
    if encoding not in _ENCODINGS_THAT_CHANGE_NOTHING:
        raise MultipartError(f"Content-Transfer-Encoding {encoding[:80]!r} is not read; send the bytes as they are")
    disposition, parameters = _value_and_parameters(headers.get("content-disposition", ""), "Content-Disposition")
    if disposition != "form-data":
        raise MultipartError("a part has no Content-Disposition: form-data")
    if "name" not in parameters:
        raise MultipartError("a part has no name in its Content-Disposition")
    filename = parameters.get("filename")
    if "filename*" in parameters:
        filename = _extended(parameters["filename*"])
    if _CONTROL.search(parameters["name"]) or _CONTROL.search(filename or ""):
        raise MultipartError("the name or filename of a part has control characters")
    return PartBegin(parameters["name"], filename, headers.get("content-type"))


def _value_and_parameters(header: str, what: str) -> tuple[str, dict[str, str]]:
    r"""Split `value; name=token; name="quoted string"`; value and names in lower case.

    A backslash escapes only a quote or a backslash: browsers send `C:\clip.wav` as it is. They write a quote as %22
    (WHATWG HTML, multipart/form-data encoding algorithm).
    """
    value = header.partition(";")[0]
    position = len(value)
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(header, position):
        name, quoted, token = match.groups()
        if name.lower() in parameters:
            raise MultipartError(f"{what} names {name[:80]!r} twice")
        text = token if quoted is None else _ESCAPED.sub(r"\1", quoted)
        parameters[name.lower()] = text.replace("%22", '"')
        position = match.end()
    if header[position:].strip(" \t;"):
        raise MultipartError(f"{what} is malformed: {header[:80]!r}")
    return value.strip(" \t").lower(), parameters


def _extended(value: str) -> str:
    """Decode filename*, as in UTF-8''na%C3%AFve.wav (RFC 8187 section 3.2); forbidden by RFC 7578, and sent anyway."""
    charset, _, language_and_text = value.partition("'")
    _, separator, text = language_and_text.partition("'")
    try:
        if separator and charset.lower() == "utf-8":
            return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise MultipartError(f"filename* of a part is not UTF-8 in percent encoding: {value[:80]!r}")
