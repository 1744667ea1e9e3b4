import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechcli.sse import Event, events

pytestmark = pytest.mark.unit

STREAM = 'event: one\ndata: {"text": "né"}\n\n: keep-alive\n\ndata: a\r\ndata: b\r\n\r\ndata: unfinished\n'.encode()
READ = [Event("one", '{"text": "né"}'), Event("message", "a\nb")]


async def in_pieces(body: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    edges = [0, *sorted(cut % len(body) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        yield body[start:end]


async def test_events_have_names_and_joined_lines_and_comments_are_ignored() -> None:
    assert [event async for event in events(in_pieces(STREAM, []))] == READ


@given(st.lists(st.integers(0, 1000), max_size=10))
async def test_chunk_boundaries_make_no_difference(cuts: list[int]) -> None:
    assert [event async for event in events(in_pieces(STREAM, cuts))] == READ


async def test_a_line_may_be_longer_than_any_buffer() -> None:
    long = b"data: " + b"x" * 1_000_000 + b"\n\n"

    (event,) = [event async for event in events(in_pieces(long, [70_000, 140_000]))]

    assert len(event.data) == 1_000_000
