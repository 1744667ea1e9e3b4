"""Reasoning in front of an answer is removed, wherever the stream was cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.generators.thinking import ReasoningFilter

pytestmark = pytest.mark.unit

ANSWERS = {
    "It is the ten of clubs.": "It is the ten of clubs.",
    "<think>\nThe user wants a summary.\n</think>\n\nIt is the ten of clubs.": "It is the ten of clubs.",
    "\n<thinking>Hm.</thinking>Yes.": "Yes.",
    "<think></think>Yes.": "Yes.",
    "<think>a < b </thin k></think>Yes </think> <think>no</think>.": "Yes </think> <think>no</think>.",
    "<think>The tokens ran out": "",
    "<think>Nothing to say.</think>\n": "",
    "<thorough> answer": "<thorough> answer",
    "<think of a card> and I tell": "<think of a card> and I tell",
    "Use <think> tags.": "Use <think> tags.",
    "  indented": "  indented",
    "<thi": "<thi",
    " \n": " \n",
    "": "",
}


def filtered(pieces: list[str]) -> str:
    reasoning = ReasoningFilter()
    return "".join(map(reasoning.feed, pieces)) + reasoning.end()


@pytest.mark.parametrize("text", ANSWERS)
def test_a_block_at_the_start_is_removed(text: str) -> None:
    assert filtered([text]) == ANSWERS[text]


@given(text=st.sampled_from(list(ANSWERS)), cuts=st.lists(st.integers(0, 70)))
def test_it_makes_no_difference_where_the_text_is_cut(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]

    assert filtered([text[start:end] for start, end in pairwise(places)]) == ANSWERS[text]


def test_text_without_reasoning_is_not_delayed() -> None:
    reasoning = ReasoningFilter()

    assert [reasoning.feed(piece) for piece in ("It", " is", " <")] == ["It", " is", " <"]
