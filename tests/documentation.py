"""The fenced blocks of the documentation, and the mark before a block that says which test runs it.

A mark is an HTML comment on the line before the fence, which no page shows:

    <!-- test: unit -->                                  run by the documentation's tests of this tier
    <!-- test: cluster, until `True` -->                 as well; interrupted once its output has a match
    <!-- test: e2e, exit code 1 with `2 failed` -->      as well; it ends with this code, and its output has a match
    <!-- test: e2e, by tests/e2e/test_x.py::test_y -->   run by a test of its own
    <!-- not run: needs a GPU -->                         a reason of a kind that tests/docs/test_blocks.py lists

The tiers have a runner each: tests/docs/test_commands.py, tests/{local,cluster,charts}/test_documented_commands.py and
tests/e2e/test_cluster_documented_commands.py.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from repository import ROOT, tracked

COMMANDS = frozenset({"sh", "bash"})
"""Languages of what a reader types."""
CODE = frozenset({"python", "js", "javascript", "dockerfile"})
"""Languages of what a reader saves and runs."""
OUTPUTS = frozenset({"", "json"})
"""Languages of what a command prints."""
TEXTS = frozenset({"csv", "markdown", "promql", "text", "yaml"})
"""Languages of what is neither typed nor run."""
LANGUAGES = COMMANDS | CODE | OUTPUTS | TEXTS
ALSO_RUN = {"unit": "", "component": "python", "cluster": "yaml", "e2e": ""}
"""The language that the runner of a tier takes besides commands, if any."""
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[^`]*)$")
COMMENT = re.compile(r"^ *<!-- (?P<said>.+?) -->$")
MARK = re.compile(
    r"test: (?P<tier>unit|component|cluster|e2e)(?:, until `(?P<until>[^`]+)`)?"
    r"(?:, exit code (?P<code>\d) with `(?P<printed>[^`]+)`)?(?:, by (?P<test>tests/\S+::\w+))?"
    r"|not run: (?P<reason>.+)"
)
PROMPT = "$ "


class MarkError(ValueError):
    """A comment that begins like a mark and is none; the text has the place."""


@dataclass(frozen=True)
class Mark:
    """What is said about the test of a block: a tier, or the reason why it is not run."""

    tier: str = ""
    until: str = ""
    """A regular expression: the block does not end by itself, and is interrupted once its output matches."""

    code: str = ""
    """The exit code, if it is not 0."""

    printed: str = ""
    """A regular expression that the output then has a match of: a program that crashes ends with 1 as well."""

    test: str = ""
    """path::name of a test of its own."""

    reason: str = ""


@dataclass(frozen=True)
class Block:
    """A fenced block; `page` is relative to the repository, `line` that of the fence, `text` without indentation."""

    page: str
    line: int
    language: str
    text: str
    mark: Mark | None
    output: str = ""
    """What the page shows of the output: in the block itself behind a prompt, else in the block after it."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def has_prompts(self) -> bool:
        """Whether it shows commands behind prompts, and what they printed."""
        return not self.language and self.text.startswith(PROMPT)

    @property
    def is_typed(self) -> bool:
        """Whether it has commands."""
        return self.language in COMMANDS or self.has_prompts

    @property
    def has_runner(self) -> bool:
        """Whether the test that its mark announces takes a block of its language."""
        if not self.mark or not self.mark.tier or self.mark.test:
            return True
        return self.is_typed or (self.language != "" and self.language == ALSO_RUN[self.mark.tier])

    @property
    def commands(self) -> str:
        """What is typed: all of it, or what stands behind the prompts of a console."""
        if not self.has_prompts:
            return self.text
        return "".join(line.removeprefix(PROMPT) for line, typed in _lines(self.text) if typed)


def pages() -> list[Path]:
    """The pages that users and contributors read; those about single changes are not documentation."""
    written = tracked("*.md", ":!CHANGELOG.md", ":!changelog.d", ":!charts/*/templates")
    return sorted(written)


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page in their order.

    Raises:
        MarkError: a mark cannot be read.
    """
    found = list(_parse(page.relative_to(ROOT).as_posix(), page.read_text(encoding="utf-8")))
    return [replace(block, output=_output(block, after)) for block, after in zip_longest(found, found[1:])]


def blocks(*, tier: str = "", test: str = "") -> list[Block]:
    """The blocks of all pages; with `tier`, those that its runner runs; with `test`, those of the test of this name."""
    found = [block for page in pages() for block in blocks_of(page)]
    if test:
        return [block for block in found if block.mark and block.mark.test.endswith(f"::{test}")]
    if not tier:
        return found
    return [block for block in found if block.mark and block.mark.tier == tier and not block.mark.test]


def _parse(page: str, text: str) -> Iterator[Block]:
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opened = FENCE.match(lines[number])
        if not opened:
            number += 1
            continue
        start, inside = number, []
        number += 1
        while number < len(lines) and lines[number].strip() != opened["ticks"]:
            inside.append(lines[number].removeprefix(opened["indent"]))
            number += 1
        number += 1
        mark = _mark(page, start, lines[start - 1]) if start else None
        yield Block(page, start + 1, opened["language"].strip(), "\n".join(inside) + "\n", mark)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """The lines of a block with prompts, and whether each is typed; a backslash continues a command."""
    continued = False
    for line in text.splitlines(keepends=True):
        typed = continued or line.startswith(PROMPT)
        continued = typed and line.endswith("\\\n")
        yield line, typed


def _output(block: Block, after: Block | None) -> str:
    if block.has_prompts:
        return "".join(line for line, typed in _lines(block.text) if not typed)
    return after.text if after and after.language in OUTPUTS and not after.has_prompts else ""


def _mark(page: str, line: int, before: str) -> Mark | None:
    comment = COMMENT.match(before)
    if not comment or not comment["said"].startswith(("test:", "not run:")):
        return None
    said = MARK.fullmatch(comment["said"])
    if not said:
        message = f"{page}:{line}: not a mark that tests/documentation.py explains: {comment['said']}"
        raise MarkError(message)
    return Mark(**{name: value or "" for name, value in said.groupdict().items()})
