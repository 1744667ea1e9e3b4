import io

import pytest
from rich.console import Console

from speechlocal.children import Program
from speechlocal.terminal import startup

pytestmark = pytest.mark.unit


def console(width: int = 20) -> Console:
    return Console(file=io.StringIO(), width=width)


def printed(by: Console) -> str:
    assert isinstance(by.file, io.StringIO)
    return by.file.getvalue()


def test_without_a_terminal_each_program_is_one_plain_line_when_ready() -> None:
    screen = console(width=80)
    whisper, bridge = Program("whisper", (), "", detail="tiny.en"), Program("bridge", (), "", detail="http://x")

    with startup(screen, [whisper, bridge]) as progress:
        progress.ready(bridge, 0.5)
        progress.ready(whisper, 2.04)

    assert [line.split() for line in printed(screen).splitlines()] == [
        ["bridge", "http://x", "ready", "after", "0.5", "s"],
        ["whisper", "tiny.en", "ready", "after", "2.0", "s"],
    ]
