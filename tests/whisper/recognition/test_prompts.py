"""How hotwords and prompt share the tokens before the audio."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from speechwhisper.recognition.prompts import PROMPT_TOKENS, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.unit


def words(text: str) -> Sequence[tuple[int, int]]:
    """A token is a word here; a Chinese character is one, too."""
    return [found.span() for found in re.finditer(r"[一-龥]|[^\s一-龥]+", text)]


def numbered(name: str, count: int) -> str:
    return ", ".join(f"{name}{number}" for number in range(count))


def test_a_prompt_alone_is_left_to_faster_whisper() -> None:
    assert fit(None, numbered("p", 1000), words) == (None, numbered("p", 1000))


def test_both_are_kept_if_they_fit() -> None:
    hotwords, prompt = numbered("h", 100), numbered("p", PROMPT_TOKENS - 100)

    assert fit(hotwords, prompt, words) == (hotwords, prompt)


def test_hotwords_leave_the_end_of_the_prompt() -> None:
    hotwords, prompt = fit(numbered("h", 200), numbered("p", 100), words)

    assert hotwords == numbered("h", 200)
    assert prompt == ", ".join(f"p{number}" for number in range(77, 100))


@pytest.mark.parametrize("prompt", ["Before.", None])
def test_too_many_hotwords_are_cut_after_a_whole_one_and_leave_no_prompt(prompt: str | None) -> None:
    assert fit(numbered("h", 1000), prompt, words) == (numbered("h", PROMPT_TOKENS), None)


def test_a_hotword_of_several_tokens_is_not_cut() -> None:
    terms = "、".join(["达什伍德"] * 100)  # four tokens each and a separator

    hotwords, _ = fit(terms, None, lambda text: [(at, at + 1) for at in range(len(text))])

    assert hotwords == "、".join(["达什伍德"] * 44)


def test_one_hotword_that_is_too_long_is_cut() -> None:
    hotwords, _ = fit("长" * 1000, None, words)

    assert hotwords == "长" * PROMPT_TOKENS
