"""The multipart parser against aiohttp's MultipartReader, on whatever bodies and cuts hypothesis thinks of.

Where the two differ on purpose, the difference stands in `DIFFERENCES` with its reason; all else is a failure.
"""

import asyncio
import re
import warnings
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import NamedTuple, TypeAlias

import pytest
from aiohttp import BodyPartReader, MultipartReader, StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMessage
from hypothesis import given, settings
from hypothesis import strategies as st

from speechbridge.intake.multipart import Event, MultipartError, MultipartParser, PartBegin

pytestmark = pytest.mark.unit

BOUNDARIES = ["b", "-", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "x" * 70]


class Part(NamedTuple):
    name: str
    filename: str | None
    content_type: str | None
    data: bytes


Reading: TypeAlias = list[Part] | None
"""The parts of a body, or None when it was refused."""

Reader: TypeAlias = Callable[[bytes, str], Reading]
"""From a body and its boundary."""


# --- Bodies


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encoded(parts: list[Part], boundary: str) -> bytes:
    """The body as a client sends it."""
    pieces: list[bytes] = []
    for part in parts:
        disposition = f"Content-Disposition: form-data; name={quoted(part.name)}"
        if part.filename is not None:
            disposition += f"; filename={quoted(part.filename)}"
        content_type = "" if part.content_type is None else f"Content-Type: {part.content_type}\r\n"
        pieces += [f"--{boundary}\r\n{disposition}\r\n{content_type}\r\n".encode(), part.data, b"\r\n"]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def cut(body: bytes, sizes: list[int]) -> list[bytes]:
    """The body in chunks of these sizes, the last of them again and again."""
    chunks: list[bytes] = []
    for size in chain(sizes, repeat(sizes[-1])):
        if not body:
            return chunks
        chunks.append(body[:size])
        body = body[size:]
    return chunks


# A literal %22 reads as a quote, as browsers mean it.
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12).filter(lambda name: "%22" not in name)
cuts = st.lists(st.integers(1, 50), min_size=1, max_size=8)


@st.composite
def forms(draw: st.DrawFn, names: st.SearchStrategy[str] = names) -> tuple[list[Part], str]:
    """A list of parts, and a boundary that none of their data contains."""
    boundary = draw(st.sampled_from(BOUNDARIES))
    line = f"--{boundary}".encode()
    fragments = [b"\r", b"\n", b"\r\n", b"-", b"\r\n--", line, b"\r\n" + line[:-1], b"\n" + line, b"\r" + line]
    data = st.lists(st.sampled_from(fragments) | st.binary(max_size=20), max_size=6).map(b"".join)
    data = data.filter(lambda data: b"\r\n" + line not in b"\r\n" + data)
    content_types = st.sampled_from([None, "audio/wav", "text/plain; charset=utf-8"])
    part = st.builds(Part, names, st.none() | names, content_types, data)
    return draw(st.lists(part, max_size=4)), boundary


# --- The two readers


def read(body: bytes, boundary: str, sizes: list[int]) -> list[Part]:
    parser = MultipartParser(boundary.encode())
    events = [event for chunk in cut(body, sizes) for event in parser.feed(chunk)]
    parser.finish()
    parts: list[Part] = []
    for event in events:
        if isinstance(event, PartBegin):
            parts.append(Part(event.name, event.filename, event.content_type, b""))
        elif isinstance(event, bytes):
            parts[-1] = parts[-1]._replace(data=parts[-1].data + event)
    return parts


def ours(body: bytes, boundary: str, sizes: list[int]) -> Reading:
    try:
        return read(body, boundary, sizes)
    except MultipartError:
        return None


async def read_by_aiohttp(body: bytes, boundary: str) -> list[Part]:
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    reader = MultipartReader({"Content-Type": f'multipart/form-data; boundary="{boundary}"'}, stream)
    parts: list[Part] = []
    while (part := await reader.next()) is not None:
        assert isinstance(part, BodyPartReader)
        if part.name is None:
            raise ValueError
        parts.append(Part(part.name, part.filename, part.headers.get("Content-Type"), bytes(await part.read())))
    return parts


@pytest.fixture(scope="module")
def theirs() -> Iterator[Reader]:
    """Read a body with aiohttp; None when it raises or finds a part without a name."""
    with asyncio.Runner() as runner:

        def reading(body: bytes, boundary: str) -> Reading:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns of odd headers and reads on
                try:
                    return runner.run(read_by_aiohttp(body, boundary))
                except (ValueError, BadHttpMessage):
                    return None

        yield reading


@settings(max_examples=400)
@given(forms(), cuts)
def test_a_form_of_a_client_is_parsed_as_it_was_built(form: tuple[list[Part], str], sizes: list[int]) -> None:
    parts, boundary = form
    assert read(encoded(parts, boundary), boundary, sizes) == parts


# aiohttp splits a header at semicolons before it looks for quotes, and drops leading slashes of names.
plain_names = names.filter(lambda name: ";" not in name and not name.startswith(("/", "\\")))


@settings(max_examples=400)
@given(forms(plain_names), cuts)
def test_aiohttp_reads_the_same(theirs: Reader, form: tuple[list[Part], str], sizes: list[int]) -> None:
    parts, boundary = form
    body = encoded(parts, boundary)
    assert ours(body, boundary, sizes) == theirs(body, boundary)


# --- Damaged bodies


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, str]:
    """A boundary and its body, up to three times cut off or with bytes flipped, lost, repeated or put in."""
    boundary = draw(st.sampled_from(BOUNDARIES))
    line = f"--{boundary}".encode()
    data = st.sampled_from([b"", b"data", b"\r\n", b"x\r\ny", b"\r\n--", b"-"])
    file_names, content_types = st.sampled_from([None, "a.wav"]), st.sampled_from([None, "audio/wav"])
    part = st.builds(Part, st.sampled_from(["file", "a"]), file_names, content_types, data)
    put_in = [b"\r\n", b"\n", b"\r", b"-", b"--", line, b"\r\n" + line, b"\r\n" + line + b"--", b"\r\n\r\n"]
    put_in += [b" ", b'"', b":", b";", b"=", b"\\", b"\xff", b"\0", b"x", b""]

    body = encoded(draw(st.lists(part, max_size=3)), boundary)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(start + 8, len(body))))
        match draw(st.sampled_from(["cut off", "flip", "splice", "repeat"])):
            case "cut off":
                body = body[:start]
            case "flip":
                mask = 1 << draw(st.integers(0, 7))
                body = body[:start] + bytes(byte ^ mask for byte in body[start : start + 1]) + body[start + 1 :]
            case "splice":
                body = body[:start] + draw(st.sampled_from(put_in)) + body[end:]
            case "repeat":
                body = body[:end] + body[start:]
    return body, boundary


_DISPOSITION = re.compile(rb"(?im)^content-disposition:[ \t]*(.*?)[ \t]*\r?$")
_TWO_DISPOSITIONS = re.compile(rb"(?im)^content-disposition:.*\r\n(.+\r\n)*content-disposition:")
_PLAIN = re.compile(rb'(?i)form-data(;[ \t]*[a-z]+=("[^"\\;/]*"|[\w.-]+)[ \t]*)*')

DIFFERENCES: dict[str, Callable[[bytes, bytes], bool]] = {
    # RFC 2046 ends lines with CRLF. aiohttp ends them with LF and drops any ASCII white space before it.
    "line ends": lambda body, _: re.search(rb"(?<!\r)\n|\r(?!\n)|[\v\f]", body) is not None,
    # A line that starts with the boundary and goes on is refused by us wherever it is, by aiohttp not in the preamble.
    "boundary line": lambda body, line: re.search(b"(?m)^" + line + rb"(?!(--)?[ \t]*\r?$)", body) is not None,
    # aiohttp takes stray quotes and semicolons, and drops backslashes and leading slashes.
    "disposition": lambda body, _: any(not _PLAIN.fullmatch(value) for value in _DISPOSITION.findall(body)),
    # Of two Content-Disposition headers in one part aiohttp takes the first.
    "two dispositions": lambda body, _: _TWO_DISPOSITIONS.search(body) is not None,
    # aiohttp turns header bytes that are not UTF-8 into lone surrogates.
    "not UTF-8": lambda body, _: re.search(rb"(?m)^[!-~]+:.*[\x80-\xff]", body) is not None,
}
"""By name, whether a body is one that the two read differently on purpose: `(body, boundary line as a pattern)`."""


def differences(body: bytes, boundary: str) -> list[str]:
    line = re.escape(f"--{boundary}".encode())
    return [name for name, applies in DIFFERENCES.items() if applies(body, line)]


@settings(max_examples=800)
@given(damaged())
def test_aiohttp_agrees_on_damaged_bodies(theirs: Reader, body_and_boundary: tuple[bytes, str]) -> None:
    body, boundary = body_and_boundary
    reading = ours(body, boundary, [len(body) + 1])
    assert reading == theirs(body, boundary) or differences(body, boundary)


@pytest.mark.parametrize(
    ("difference", "head"),
    [
        ("line ends", b'--b\r\nContent-Disposition: form-data; name="a"\n'),
        ("boundary line", b'--boundary\r\n--b\r\nContent-Disposition: form-data; name="a"\r\n'),
        ("disposition", b'--b\r\nContent-Disposition: form-data; name="a" b="c"\r\n'),
        ("two dispositions", b"--b\r\n" + b'Content-Disposition: form-data; name="a"\r\n' * 2),
        ("not UTF-8", b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n'),
    ],
)
def test_where_they_differ_ours_rejects(theirs: Reader, difference: str, head: bytes) -> None:
    body = head + b"\r\ndata\r\n--b--\r\n"
    assert differences(body, "b") == [difference]
    assert ours(body, "b", [len(body)]) is None
    assert theirs(body, "b") is not None


# --- Cuts


def outcome(body: bytes, boundary: str, sizes: list[int]) -> list[Part] | str:
    try:
        return read(body, boundary, sizes)
    except MultipartError as error:
        return str(error)


@settings(max_examples=400)
@given(damaged(), cuts)
def test_splits_change_neither_the_parts_nor_the_error(body_and_boundary: tuple[bytes, str], sizes: list[int]) -> None:
    body, boundary = body_and_boundary
    whole = outcome(body, boundary, [len(body) + 1])
    assert outcome(body, boundary, sizes) == whole
    assert outcome(body, boundary, [1]) == whole


@settings(max_examples=400)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--b", b"\r\n--b", b" ", b"x"]), max_size=30), cuts)
def test_splits_do_not_change_data(fragments: list[bytes], sizes: list[int]) -> None:
    body = b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"".join(fragments) + b"\r\n--b--"
    whole = outcome(body, "b", [len(body)])
    assert outcome(body, "b", sizes) == whole
    assert outcome(body, "b", [1]) == whole


# --- A body in one piece


def parsed(parse: Callable[[MultipartParser], list[Event]], boundary: str) -> list[Event] | str:
    """What becomes of a body: its events, or the error."""
    try:
        return parse(MultipartParser(boundary.encode()))
    except MultipartError as error:
        return f"{error.code}: {error}"


def in_states(body: bytes) -> Callable[[MultipartParser], list[Event]]:
    """Parse a body as one that arrives in pieces."""

    def parse(parser: MultipartParser) -> list[Event]:
        events = parser.feed(body) if body else []
        parser.finish()
        return events

    return parse


@settings(max_examples=400)
@given(forms())
def test_a_whole_form_has_the_events_of_one_that_arrives(form: tuple[list[Part], str]) -> None:
    parts, boundary = form
    body = encoded(parts, boundary)
    assert parsed(lambda parser: parser.feed_whole(body), boundary) == parsed(in_states(body), boundary)


@settings(max_examples=400)
@given(damaged())
def test_a_whole_damaged_body_has_the_events_or_the_error_of_one_that_arrives(damaged: tuple[bytes, str]) -> None:
    body, boundary = damaged
    assert parsed(lambda parser: parser.feed_whole(body), boundary) == parsed(in_states(body), boundary)
