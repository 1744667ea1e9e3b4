"""The modules of the playground that need no browser, tested in Node; one case for each file `*.test.mjs`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

FILES = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.fixture
def node() -> str:
    found = shutil.which("node")
    if found is None:
        reason = "node was not found; install Node 20 or newer"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_modules(node: str, file: Path) -> None:
    done = subprocess.run([node, "--test", str(file)], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout + done.stderr
