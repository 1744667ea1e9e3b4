"""Requests take turns: no block is lost or delayed by an hour-long file, and batches fit together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechwhisper.recognition.fairness import FairQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

pytestmark = pytest.mark.unit

SIZE, SHARE, SHARE_ALONE = 6, 2, 4


class Owner:
    """A request."""

    def __init__(self, name: str = "") -> None:
        self.name = name


@dataclass(frozen=True, eq=False)
class Waiting:
    """A block that waits."""

    owner: Owner
    number: int = 0
    group: str | None = "a"


def queue(items: Iterable[Waiting] = (), **sizes: int) -> FairQueue[Waiting]:
    made: FairQueue[Waiting] = FairQueue(**{"size": SIZE, "share": SHARE, "share_alone": SHARE_ALONE, **sizes})
    for item in items:
        made.add(item)
    return made


def blocks(owner: Owner, count: int, group: str | None = "a") -> list[Waiting]:
    return [Waiting(owner, number, group) for number in range(count)]


def batches(waiting: FairQueue[Waiting]) -> list[list[Waiting]]:
    taken = []
    while batch := waiting.take():
        taken.append(batch)
    return taken


def owners(batch: Sequence[Waiting]) -> Counter[Owner]:
    return Counter(item.owner for item in batch)


@st.composite
def queued(draw: st.DrawFn) -> list[Waiting]:
    """Blocks of a few requests, in the order in which they are added."""
    requests = [Owner(str(number)) for number in range(draw(st.integers(1, 5)))]
    pairs = draw(st.lists(st.tuples(st.sampled_from(requests), st.sampled_from(["a", "b", None])), max_size=40))
    return [Waiting(owner, number, group) for number, (owner, group) in enumerate(pairs)]


sizes = st.fixed_dictionaries({"size": st.integers(1, 8), "share": st.integers(1, 8), "share_alone": st.integers(1, 8)})


@given(queued(), sizes)
def test_every_block_is_taken_once_and_in_the_order_of_its_request(
    items: list[Waiting], numbers: dict[str, int]
) -> None:
    waiting = queue(items, **numbers)

    taken = [item for batch in batches(waiting) for item in batch]

    assert len(waiting) == 0
    assert sorted(taken, key=lambda item: item.number) == items
    for owner in {item.owner for item in items}:
        mine = [item.number for item in taken if item.owner is owner]
        assert mine == sorted(mine)


@given(queued(), sizes)
def test_a_batch_has_one_group_and_at_most_its_size(items: list[Waiting], numbers: dict[str, int]) -> None:
    for batch in batches(queue(items, **numbers)):
        assert len({item.group for item in batch}) == 1
        assert len(batch) <= (1 if batch[0].group is None else numbers["size"])


@given(queued(), sizes)
def test_while_others_wait_a_request_has_at_most_its_share(items: list[Waiting], numbers: dict[str, int]) -> None:
    waiting = queue(items, **numbers)
    left = list(items)

    while batch := waiting.take():
        alone = len({item.owner for item in left}) == 1
        assert max(owners(batch).values()) <= numbers["share_alone" if alone else "share"]
        left = [item for item in left if item not in batch]


@given(queued(), sizes, st.integers(0, 20), st.sampled_from(["a", "b", None]))
def test_a_new_request_is_in_the_next_batch(
    items: list[Waiting], numbers: dict[str, int], taken: int, group: str | None
) -> None:
    waiting = queue(items, **numbers)
    for _ in range(taken):
        waiting.take()
    for old in {item.owner for item in items}:  # only those that had a turn are old
        waiting.add(Waiting(old, 100))
        while not any(item.owner is old for item in waiting.take()):
            pass
    new = Waiting(Owner("new"), 0, group)

    waiting.add(new)

    assert waiting.take()[0] is new


@given(queued(), sizes)
def test_no_request_waits_for_more_batches_than_there_are_requests(
    items: list[Waiting], numbers: dict[str, int]
) -> None:
    waiting = queue(items, **numbers)
    requests = {item.owner for item in items}
    since = dict.fromkeys(requests, 0)
    left = Counter(item.owner for item in items)

    while batch := waiting.take():
        left -= owners(batch)
        for owner in requests:
            since[owner] = 0 if any(item.owner is owner for item in batch) or not left[owner] else since[owner] + 1
            assert since[owner] < len(requests)


def test_two_long_files_share_a_batch_by_turns() -> None:
    first, second = Owner("first"), Owner("second")
    waiting = queue([*blocks(first, 20), *blocks(second, 20)])

    assert [item.owner.name for item in waiting.take()] == ["first", "second", "first", "second"]


def test_a_file_alone_may_have_more() -> None:
    assert len(queue(blocks(Owner(), 20)).take()) == SHARE_ALONE


@given(queued(), queued(), sizes)
def test_a_batch_that_is_filled_up_still_fits_together(
    items: list[Waiting], late: list[Waiting], numbers: dict[str, int]
) -> None:
    waiting = queue(items, **numbers)
    batch = waiting.take()
    for item in late:
        waiting.add(item)

    more = waiting.take(batch)

    if batch:
        together = [*batch, *more]
        assert len({item.group for item in together}) == 1
        assert len(together) <= max(len(batch), 1 if batch[0].group is None else numbers["size"])


def test_a_smaller_batch_has_smaller_shares() -> None:
    first, second = Owner(), Owner()
    waiting = queue([*blocks(first, 20), *blocks(second, 1)], size=8, share=4, share_alone=8)

    batch = waiting.take(size=4)

    assert owners(batch) == {first: 2, second: 1}
    assert waiting.take(batch, size=3) == []
    assert len(waiting.take(size=4)) == 4


def test_a_batch_is_filled_up_by_the_blocks_of_others() -> None:
    first, second = Owner("first"), Owner("second")
    waiting = queue(blocks(first, 1))
    batch = waiting.take()
    for item in blocks(second, 5):
        waiting.add(item)

    assert owners(waiting.take(batch)) == {second: SHARE}


def test_a_file_alone_may_fill_up_its_own_batch() -> None:
    owner = Owner()
    waiting = queue(blocks(owner, 1))
    batch = waiting.take()
    for item in blocks(owner, 5):
        waiting.add(item)

    assert len(waiting.take(batch)) == SHARE_ALONE - 1


def test_a_full_batch_is_not_filled_up() -> None:
    waiting = queue(blocks(Owner(), 5), share_alone=SIZE, size=3)

    assert waiting.take(waiting.take()) == []


def test_a_block_that_is_decoded_alone_is_not_joined_by_others() -> None:
    waiting = queue([*blocks(Owner(), 2, None), *blocks(Owner(), 2)])

    alone = waiting.take()

    assert [item.group for item in alone] == [None]
    assert waiting.take(alone) == []


def test_a_block_decoded_again_is_the_next_of_its_request() -> None:
    owner = Owner()
    one, two = blocks(owner, 2)
    waiting = queue([two])

    waiting.add(one, first=True)

    assert waiting.take() == [one, two]


def test_a_block_that_is_decoded_again_waits_as_long_as_if_it_had_not_been_decoded() -> None:
    old, new = Owner(), Owner()
    (one,) = blocks(old, 1)
    waiting = queue([one], size=1)
    waiting.take()
    waiting.add(Waiting(new, 0, "a"))

    waiting.add(one, first=True)

    assert waiting.take() == [one]


def test_a_long_recording_whose_block_is_decoded_again_still_waits_for_new_requests() -> None:
    old, new = Owner(), Owner()
    first, second = blocks(old, 2)
    waiting = queue([first, second], size=1)
    waiting.take()
    waiting.take()
    waiting.add(Waiting(new, 0, "a"))

    waiting.add(second, first=True)

    assert owners(waiting.take()) == {new: 1}


def test_a_block_that_keeps_its_turn_waits_for_other_requests() -> None:
    old, new = Owner(), Owner()
    one, other = blocks(old, 2)
    waiting = queue([one, other], size=1)
    waiting.take()
    waiting.add(Waiting(new, 0, "a"))

    waiting.add(one, first=True, keep_turn=True)

    assert owners(waiting.take()) == {new: 1}
    assert waiting.take() == [one]


def test_only_first_blocks_are_taken_if_so_requested() -> None:
    old, new, failed = Owner(), Owner(), Owner()
    waiting = queue(blocks(old, 2), size=1)
    waiting.take()
    assert not waiting.has_new
    waiting.add(Waiting(failed, 0, None))
    assert not waiting.has_new

    waiting.add(Waiting(new, 0, "a"))

    assert waiting.has_new
    assert owners(waiting.take(only_new=True)) == {new: 1}
    assert waiting.take(only_new=True) == []


def test_a_request_that_was_served_waits_for_those_that_were_not() -> None:
    old, new = Owner(), Owner()
    waiting = queue(blocks(old, 8), share=1)
    waiting.take()
    waiting.add(Waiting(new, 0, "b"))

    assert owners(waiting.take()) == {new: 1}
    assert owners(waiting.take()) == {old: SHARE_ALONE}


def test_a_discarded_request_is_gone() -> None:
    gone, stays = Owner(), Owner()
    waiting = queue([*blocks(gone, 3), *blocks(stays, 1)])

    discarded = waiting.discard(gone)

    assert [item.number for item in discarded] == [0, 1, 2]
    assert owners(waiting.take()) == {stays: 1}
    assert waiting.discard(gone) == []
    assert len(waiting) == 0
