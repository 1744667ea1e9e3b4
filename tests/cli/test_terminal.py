import io

import pytest
from rich.console import Console

from speechcli.terminal import TextStream

pytestmark = pytest.mark.unit


def console(width: int = 20) -> Console:
    return Console(file=io.StringIO(), width=width)


def printed(by: Console) -> str:
    assert isinstance(by.file, io.StringIO)
    return by.file.getvalue()


def test_text_is_wrapped_at_words_however_it_arrives() -> None:
    screen = console(width=20)
    flow = TextStream(screen)

    for piece in (" He was", " not an i", "ll disposed", " young", " man."):
        flow.add(piece)
    flow.end()

    assert printed(screen) == "  He was not an ill\n  disposed young\n  man.\n"


def test_a_word_shows_when_the_next_one_begins() -> None:
    screen = console()
    flow = TextStream(screen)

    flow.add("He wa")
    assert printed(screen) == "  He"
    flow.add("s ")
    assert printed(screen) == "  He was"


def test_line_breaks_of_an_answer_are_kept_and_markup_is_only_text() -> None:
    screen = console()
    flow = TextStream(screen)

    flow.add("[bold]one\n\n- two")
    flow.end()

    assert printed(screen) == "  [bold]one\n  - two\n"


def test_no_text_prints_nothing() -> None:
    screen = console()

    TextStream(screen).end()

    assert printed(screen) == ""
