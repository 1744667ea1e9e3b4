"""The reader who types the documentation's commands notices what goes wrong."""

from pathlib import Path

import pytest

from documentation import Block, Mark
from documented_commands import Reader

pytestmark = pytest.mark.unit

FAILED = Mark("unit", code="1", printed="2 written, 1 failed")
BOTH = Mark("unit", until='(?s)"listening".*"listening"')
SERVES = """echo '"listening"'; exec sleep 600"""


def typed(folder: Path, commands: str, mark: Mark) -> str:
    return Reader(folder).types(Block("page.md", 1, "sh", f"{commands}\n", mark), within_s=60)


def test_a_command_may_end_with_the_exit_code_and_the_output_of_its_mark(tmp_path: Path) -> None:
    assert typed(tmp_path, "echo 2 written, 1 failed; exit 1", FAILED) == "2 written, 1 failed\n"


def test_a_traceback_is_no_expected_failure(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="ended without '2 written, 1 failed'"):
        typed(tmp_path, """python3 -c 'raise ValueError("boom")'""", FAILED)


def test_another_exit_code_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="exit code 2, not 1"):
        typed(tmp_path, "echo 2 written, 1 failed; exit 2", FAILED)


def test_a_block_is_interrupted_once_both_services_listen(tmp_path: Path) -> None:
    assert typed(tmp_path, f"({SERVES}) &\n({SERVES})", BOTH).count("listening") == 2


def test_a_service_in_the_background_that_crashes_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="ended without"):
        typed(tmp_path, """(exit 1) &\necho '"listening"'""", BOTH)
