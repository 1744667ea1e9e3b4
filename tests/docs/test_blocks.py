"""Every block of commands in the documentation says which test runs it, or why none does."""

import ast
import re
import subprocess

import pytest

from documentation import CODE, LANGUAGES, MARK, Block, Mark, blocks, pages
from repository import ROOT

pytestmark = pytest.mark.unit

ALL = blocks()
TYPED = [block for block in ALL if block.is_typed]
NEED_MARKS = [*TYPED, *(block for block in ALL if block.language in CODE)]
LOOKS_LIKE_A_MARK = re.compile(r"^ *<!--\s*(?:test|not run)\b", re.MULTILINE)
TARGET = re.compile(r"^(?:\w+=\S+ )*make ([a-z-]+)", re.MULTILINE)
SAME_COMMANDS = re.compile(r"a test (?:types|runs) the same commands? of (\S+\.md)")
"""A reason that can be checked: the page is one of docs/how-to."""
TEST_FILE = re.compile(r"tests/\S+\.py")
NEEDED = (
    "a GPU|GPUs|vLLM|llama-server|speaches|cert-manager|Traefik's chart|the CRDs of (KEDA|Flux|Google's cloud)"
    "|access to a hub|the weights of a large model|a published chart|an operator that has restarted"
    "|the whole machine for a minute|the Prometheus Operator and a blackbox exporter"
    "|a certificate of a public name"
)
"""What no tier has."""
REASONS = {
    "a test types the same commands": SAME_COMMANDS.pattern,
    "a test does the same by other means": r"(.+; )?tests/\S+\.py [a-z].+",
    "no tier has what it needs": rf"needs ({NEEDED})([,;] .+)?",
    "it publishes": "pushes to a container registry|publishes a tag",
    "it changes the machine": r"(rewrites the working tree|installs a plugin|writes below /etc, as root)(; .+)?",
    "it runs this test": "runs all tests, this one too.*",
}
"""Why a block need not be run. That it is still to be written is no reason."""
REMARK = re.compile(r"(?:^| +)# .*$", re.MULTILINE)


def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_block_of_commands_is_marked() -> None:
    assert [block.place for block in NEED_MARKS if not block.mark] == [], "tests/documentation.py explains marks"


def test_every_block_is_of_a_known_language() -> None:
    """Else commands in another one, such as `console`, would need no mark."""
    assert [(block.place, block.language) for block in ALL if block.language not in LANGUAGES] == []


def test_every_block_with_a_tier_is_run_by_it() -> None:
    assert [block.place for block in ALL if not block.has_runner] == []


@pytest.mark.parametrize(
    ("tier", "language", "runs"),
    [("unit", "sh", True), ("cluster", "yaml", True), ("e2e", "yaml", False), ("cluster", "python", False)],
)
def test_a_tier_that_does_not_run_a_language_would_be_found(tier: str, language: str, runs: bool) -> None:  # noqa: FBT001 - a table
    assert Block("page.md", 1, language, "", Mark(tier)).has_runner is runs


def test_an_exit_code_alone_is_not_enough() -> None:
    assert MARK.fullmatch("test: e2e, exit code 1 with `1 failed`")
    assert not MARK.fullmatch("test: e2e, exit code 1")


def kinds(reason: str) -> list[str]:
    return [kind for kind, pattern in REASONS.items() if re.fullmatch(pattern, reason)]


def test_a_block_is_not_run_only_for_reasons_that_are_listed() -> None:
    reasons = {block.place: block.mark.reason for block in ALL if block.mark and block.mark.reason}

    assert {place: reason for place, reason in reasons.items() if not kinds(reason)} == {}
    assert {kind for reason in reasons.values() for kind in kinds(reason)} == set(REASONS)


@pytest.mark.parametrize("reason", ["needs a release", "takes a recording as its argument", "installs packages", "x"])
def test_a_reason_that_a_test_could_remove_is_none(reason: str) -> None:
    assert kinds(reason) == []


def test_files_of_tests_that_reasons_name_exist() -> None:
    named = {(block.place, file) for block in ALL if block.mark for file in TEST_FILE.findall(block.mark.reason)}

    assert named
    assert [(place, file) for place, file in named if not (ROOT / file).is_file()] == []


def test_a_test_types_what_a_reason_says_it_types() -> None:
    claims = {block: block.mark.reason for block in ALL if block.mark and "same command" in block.mark.reason}

    assert claims
    assert {block.place: found for block, reason in claims.items() if (found := not_typed(block, reason))} == {}


def not_typed(block: Block, reason: str) -> set[str]:
    """The commands of a block that no tested block of the page has which its reason names."""
    claimed = SAME_COMMANDS.search(reason)
    assert claimed, f"{block.place}: not of the form {SAME_COMMANDS.pattern}"
    page = f"docs/how-to/{claimed[1]}"
    tested = [one for one in TYPED if one.page == page and one.mark and one.mark.tier]
    return lines(block).difference(*map(lines, tested))


def lines(block: Block) -> set[str]:
    """What is typed, line by line: without remarks, and a continued command as one line."""
    return {line.rstrip() for line in REMARK.sub("", block.commands.replace("\\\n", "")).splitlines() if line.strip()}


def test_a_command_that_no_test_types_would_be_found() -> None:
    page = "charts/speechpipeline/README.md"
    block = Block(page, 1, "sh", "helm uninstall speech --namespace speechpipeline\nhelm list # all\n", None)

    assert not_typed(block, "a test types the same commands of install-on-kubernetes.md") == {"helm list"}


def test_every_mark_is_before_a_block() -> None:
    marks = [mark for page in pages() for mark in LOOKS_LIKE_A_MARK.findall(page.read_text(encoding="utf-8"))]

    assert len(marks) == len([block for block in ALL if block.mark])


def test_tests_that_marks_name_exist() -> None:
    named = {block.place: block.mark.test for block in ALL if block.mark and block.mark.test}

    missing = []
    for place, test in named.items():
        file, _, name = test.partition("::")
        if not (ROOT / file).is_file() or name not in functions_of(file):
            missing.append(place)
    assert named
    assert missing == []


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    named = {block.place: set(TARGET.findall(block.commands)) for block in TYPED}

    assert any(named.values())
    assert {place: unknown for place, found in named.items() if (unknown := found - targets)} == {}


@pytest.mark.parametrize("block", TYPED, ids=lambda block: block.place)
def test_commands_are_valid_for_bash(block: Block) -> None:
    """Including those that no test runs."""
    checked = subprocess.run(["bash", "-n"], input=block.commands, check=False, capture_output=True, text=True)

    assert (checked.returncode, checked.stderr) == (0, "")
