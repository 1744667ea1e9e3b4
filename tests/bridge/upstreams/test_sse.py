"""Events are the same however the stream is cut, and what is written can be read."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.api.sse import KEEP_ALIVE, encode
from speechbridge.upstreams import sse

pytestmark = pytest.mark.unit

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values, max_size=4),
    max_leaves=10,
)
TYPES = st.from_regex(r"[a-z.]{1,20}", fullmatch=True)


def parsed(*chunks: bytes) -> list[sse.Event]:
    parser = sse.Parser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@given(st.lists(st.tuples(TYPES, JSON), max_size=5))
def test_what_is_written_can_be_read(sent: list[tuple[str, object]]) -> None:
    stream = KEEP_ALIVE.join(encode(kind, data) for kind, data in sent)

    assert [(event.type, json.loads(event.data)) for event in parsed(stream)] == sent


LINES = st.sampled_from(
    [
        *(b"data: a", b"data:b", b"data: ", b"data", b"event: x", b"event:", b": comment", b"id: 7", b"", b"retry: 5"),
        *("data: größer €\U0001f600".encode(), b"data: [DONE]", b"unknown: field", b" data: c"),
    ]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(
    st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=20).map(b"".join),
    st.lists(st.integers(0, 400), max_size=20),
    st.booleans(),
)
def test_any_cut_gives_the_same_events(stream: bytes, cuts: list[int], mark: bool) -> None:  # noqa: FBT001 - hypothesis
    stream = b"\xef\xbb\xbf" * mark + stream
    at = [0, *sorted(cuts), len(stream)]

    pieces = [stream[start:end] for start, end in pairwise(at)]

    assert parsed(*pieces) == parsed(stream)
    assert parsed(*(bytes([byte]) for byte in stream)) == parsed(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("message", "a")]),
        (b"data: a\ndata: b\n\n", [("message", "a\nb")]),
        (b"event: x\ndata: a\n\n", [("x", "a")]),
        (b"event: x\n\ndata: a\n\n", [("message", "a")]),
        (b"data:  a\n\n", [("message", " a")]),
        (b": comment\ndata: a\n\n", [("message", "a")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("message", "a"), ("message", "b")]),
        (b"data: a\r\rdata: b\r\r", [("message", "a"), ("message", "b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
        (b"data: never ended", []),
        (b"data: never ended\n", []),
        (b"\n\n\n", []),
    ],
)
def test_the_standards_cases(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert [tuple(event) for event in parsed(stream)] == events


@pytest.mark.parametrize(
    "stream", [b"data: \xff\n\n", b"data: " + bytes(64 * 2**20), (b"data: " + bytes(2**20) + b"\n") * 64]
)
def test_nonsense_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parsed(*(stream[at : at + 2**20] for at in range(0, len(stream), 2**20)))


def test_an_event_may_be_as_long_as_the_transcript_of_hours() -> None:
    data = "x" * (20 * 2**20)

    assert parsed(b"data: short\n\n", f"data: {data}\n\n".encode()) == [("message", "short"), ("message", data)]


def test_many_short_events_are_not_one_long_one() -> None:
    parser = sse.Parser()
    event = b"data: " + bytes(2**20) + b"\n\n"

    assert sum(len(parser.feed(event)) for _ in range(70)) == 70


def test_each_byte_of_a_line_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that arrives in pieces was once copied and searched again for each of them."""
    taken: list[int] = []
    monkeypatch.setattr(sse.Parser, "_events_in", lambda _, lines: taken.append(len(lines)) or [])

    parsed(b"data: ", *[b"x" * 1000] * 1000, b"\n", b"\n")

    assert taken == [1_000_007, 1]
