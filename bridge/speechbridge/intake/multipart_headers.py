"""Parses the headers of multipart/form-data: the Content-Type of the body, and the headers of its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias
from urllib.parse import unquote_to_bytes

Code: TypeAlias = Literal["bad_multipart", "too_many_parts", "headers_too_large"]

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]*[0-9A-Za-z'()+_,\-./:=?]")  # bchars, RFC 2046 section 5.1.1
_MAX_BOUNDARY_LENGTH = 70
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PARAMETER = re.compile(r';[ \t]*([^\s";=]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))[ \t]*')
_NAME = re.compile(r";[ \t]*name[ \t]*=", re.IGNORECASE)
_FILENAME = re.compile(r";[ \t]*filename\*?[ \t]*=", re.IGNORECASE)
_REPLACED = "\N{REPLACEMENT CHARACTER}"  # of a byte that is not UTF-8
_ESCAPED = re.compile(r'\\(["\\])')
_IDENTITY_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
_HEADERS_READ = frozenset({"content-disposition", "content-type", "content-transfer-encoding"})


class MultipartError(ValueError):
    """The body or its Content-Type is not valid multipart/form-data; the text says why.

    Attributes:
        code: The stable code of the error.
    """

    def __init__(self, message: str, code: Code = "bad_multipart") -> None:
        super().__init__(message)
        self.code: Code = code


@dataclass(frozen=True, slots=True)
class PartBegin:
    """The headers of a part; its data follows.

    Attributes:
        name: The form field, from Content-Disposition; may be empty, has no control characters.
        filename: The file name that the client suggests, as far as it is readable; None if not sent.
        content_type: The part's Content-Type, as sent; None if not sent.
    """

    name: str
    filename: str | None
    content_type: str | None


def boundary_of(content_type: str) -> bytes:
    """Return the boundary in a request's Content-Type header, quoted or not.

    Raises:
        MultipartError: Not multipart/form-data, or the boundary is missing, empty, longer than 70 characters, or has
            characters that RFC 2046 section 5.1.1 does not allow.
    """
    media_type, parameters = _value_and_parameters(content_type, "Content-Type")
    if media_type != "multipart/form-data":
        raise MultipartError(f"Content-Type must be multipart/form-data, not {media_type[:80]!r}")
    boundary = parameters.get("boundary")
    if not boundary:
        raise MultipartError("Content-Type has no boundary")
    if len(boundary) > _MAX_BOUNDARY_LENGTH:
        raise MultipartError(f"the boundary has {len(boundary)} characters, more than {_MAX_BOUNDARY_LENGTH}")
    if not _BOUNDARY.fullmatch(boundary):
        raise MultipartError(f"the boundary {boundary!r} has characters that RFC 2046 does not allow")
    return boundary.encode("ascii")


@lru_cache(maxsize=64)  # a client's parts are alike in all its requests; the limit on headers bounds an entry
def part_in(lines: bytes) -> PartBegin:
    """Parse all header lines of one part, each with its CRLF."""
    headers: dict[str, str] = {}
    for line in lines.split(b"\n")[:-1]:
        add_header(headers, line + b"\n")
    return part_of(headers)


def add_header(headers: dict[str, str], line: bytes) -> None:
    """Add a header line of a part to those before it, unless it means nothing."""
    name, value = _header_line(line)
    if name in headers:
        raise MultipartError(f"a part has two {name} headers")
    if name in _HEADERS_READ:  # all others MUST be ignored: RFC 7578 section 4.8
        headers[name] = value


def _header_line(line: bytes) -> tuple[str, str]:
    """Split a header line, with its CRLF, into its name in lower case and its value (RFC 5322 section 2.2)."""
    if not line.endswith(b"\r\n"):
        raise MultipartError("a header line of a part ends with LF; lines must end with CRLF")
    text = line[:-2].decode(errors="replace")  # clients on Windows send file names in the system's code page
    if text[0] in " \t":
        raise MultipartError("a header of a part is folded over several lines")
    name, colon, value = text.partition(":")
    if not colon or not _TOKEN.fullmatch(name) or _CONTROL.search(value):
        raise MultipartError(f"a part has a malformed header: {text[:80]!r}")
    return name.lower(), value.strip(" \t")


def part_of(headers: dict[str, str]) -> PartBegin:
    """Parse the headers of one part (RFC 7578 sections 4.2, 4.4 and 4.7)."""
    encoding = headers.get("content-transfer-encoding", "binary").lower()
    if encoding not in _IDENTITY_ENCODINGS:
        raise MultipartError(f"Content-Transfer-Encoding {encoding[:80]!r} is not supported; send the bytes unencoded")
    if "content-disposition" not in headers:
        raise MultipartError("a part has no Content-Disposition")
    parameters = _disposition(headers["content-disposition"])
    name, filename = parameters.get("name"), parameters.get("filename")
    if name is None:
        raise MultipartError("a part has no name in its Content-Disposition")
    if _REPLACED in name:
        raise MultipartError("the name of a part is not UTF-8")
    if _CONTROL.search(name) or _CONTROL.search(filename or ""):
        raise MultipartError("the name or filename of a part has control characters")
    if "filename*" in parameters:
        filename = _extended(parameters["filename*"]) or filename or ""
    return PartBegin(name, filename, headers.get("content-type"))


def _disposition(header: str) -> dict[str, str]:
    r"""Return the parameters of Content-Disposition, whatever its type: some clients send `attachment`.

    Only the name of the field has to be exact. A filename that is not well-formed, such as `5" disk.wav` or one in
    Shift JIS, whose second byte may be a backslash, extends to the end of the header.
    """
    try:
        return _value_and_parameters(header, "Content-Disposition")[1]
    except MultipartError:
        begin = _FILENAME.search(header)
        if begin is None or _NAME.search(header, begin.end()):
            raise
        parameters = _value_and_parameters(header[: begin.start()], "Content-Disposition")[1]
        return {**parameters, "filename": header[begin.end() :].strip(' \t;"')}


@lru_cache(maxsize=64)  # as above
def _value_and_parameters(header: str, what: str) -> tuple[str, dict[str, str]]:
    r"""Split `value; name=token; name="quoted string"`; value and names in lower case.

    A backslash escapes only a quote or a backslash: browsers send `C:\clip.wav` unescaped. They encode a quote as %22
    (WHATWG HTML, multipart/form-data encoding algorithm).
    """
    value = header.partition(";")[0]
    position = len(value)
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(header, position):
        name, quoted, token = match.groups()
        if name.lower() in parameters:
            raise MultipartError(f"{what} has {name[:80]!r} twice")
        text = token if quoted is None else _ESCAPED.sub(r"\1", quoted)
        parameters[name.lower()] = text.replace("%22", '"')
        position = match.end()
    if header[position:].strip(" \t;"):
        raise MultipartError(f"{what} is malformed: {header[:80]!r}")
    return value.strip(" \t").lower(), parameters


def _extended(value: str) -> str | None:
    """Decode filename*, as in UTF-8''na%C3%AFve.wav (RFC 8187 section 3.2); RFC 7578 forbids it, clients send it.

    Returns None for another encoding and for what is not readable text.
    """
    charset, _, language_and_text = value.partition("'")
    _, separator, text = language_and_text.partition("'")
    if not separator or charset.lower() != "utf-8":
        return None
    try:
        name = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(name) else name
