"""The page of the kubectl plugin, from the parsers of its commands."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from generator.markdown import capital, page, table
from speechcli.__main__ import COMMANDS, parser

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = ("Argument or option", "Description")


def plugin_page() -> str:
    """Return the page of all commands of `kubectl speech`."""
    rows = ((f"[`{name}`](#kubectl-speech-{name})", capital(summary)) for name, summary in COMMANDS.items())
    return page(
        "kubectl speech",
        "The commands of the kubectl plugin; each prints the same with `--help`. "
        "[How to use it](../how-to/use-kubectl-speech.md) has examples.\n",
        table(("Command", "Purpose"), rows),
        *(_command(name) for name in COMMANDS),
    )


def _command(name: str) -> str:
    found = parser(name)
    described = (found.description or "").strip()
    return f"\n## kubectl speech {name}\n\n{described}\n\n{table(_HEAD, _rows(found))}".rstrip()


def _rows(found: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in found._actions:  # noqa: SLF001 - argparse has no other list of them
        if isinstance(action, argparse._HelpAction):  # noqa: SLF001 - every command has it
            continue
        yield _spelled(action), capital((action.help or "") % vars(action) if action.help else "")


def _spelled(action: argparse.Action) -> str:
    """Return an argument or option as it is written on the command line, with its value or its choices."""
    value = str(action.metavar or "") or "|".join(map(str, action.choices or ())) or action.dest.upper()
    if not action.option_strings:
        optional = {"?": f"[{value}]", "+": f"{value}..."}
        return f"`{optional.get(str(action.nargs), value)}`"
    takes = "" if action.nargs == 0 else f" {value}"
    return ", ".join(f"`{option}{takes}`" for option in action.option_strings)
