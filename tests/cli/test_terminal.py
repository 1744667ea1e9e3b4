import io

import pytest
from rich.cells import cell_len
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


def test_text_without_spaces_shows_as_it_arrives() -> None:
    screen = console(width=20)
    flow = TextStream(screen)

    flow.add("他不是壞人。")
    assert printed(screen) == "  他不是壞人。"
    flow.add("除非冷漠。")
    flow.end()

    assert printed(screen) == "  他不是壞人。除非冷\n  漠。\n"
    assert max(cell_len(line) for line in printed(screen).splitlines()) == 20


def test_marks_stay_on_the_letters_of_a_script_without_spaces() -> None:
    screen = console(width=6)
    flow = TextStream(screen)

    flow.add("\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48\u0e14\u0e35\u0e21\u0e32\u0e01")
    shown = printed(screen)

    assert shown == "  \u0e17\u0e35\u0e48\u0e19\u0e35\u0e48\u0e14\u0e35\u0e21\n  \u0e32\u0e01"


def test_words_among_characters_without_spaces_are_whole_and_not_spaced() -> None:
    screen = console(width=12)
    flow = TextStream(screen)

    flow.add("我用 Whisper和它")
    flow.end()

    assert printed(screen) == "  我用\n  Whisper和\n  它\n"


def test_a_word_longer_than_a_line_is_broken_while_it_arrives() -> None:
    screen = console(width=12)
    flow = TextStream(screen)

    flow.add("see http://localhost")
    assert printed(screen) == "  see\n  http://loc"
    flow.add(":8080/v1 now")
    flow.end()

    assert printed(screen) == "  see\n  http://loc\n  alhost:808\n  0/v1 now\n"


def test_a_console_narrower_than_a_character_still_shows_it() -> None:
    screen = console(width=2)
    flow = TextStream(screen)

    flow.add("a他")
    flow.end()

    assert printed(screen) == "  a\n  他\n"
