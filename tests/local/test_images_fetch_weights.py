"""The script of the Compose service `fetch`: what it fetches, and when nothing; a script stands for Python."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from speechlocal import paths

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

SCRIPT = paths.REPOSITORY / "local" / "images" / "fetch-weights.sh"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A folder with a `python3` that prints its arguments and fails as fetching an unknown model does."""
    program = tmp_path / "python3"
    program.write_text('#!/bin/sh\necho "$@"\nexit 3\n')
    program.chmod(0o755)
    return tmp_path


def run(python: Path, model: str, replicas: str = "1", **more: str) -> tuple[str, int]:
    environment = {"PATH": f"{python}:/usr/bin:/bin", "WHISPER_MODEL": model, "WHISPER_REPLICAS": replicas, **more}
    done = subprocess.run(["/bin/sh", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout.strip(), done.returncode


def test_the_weights_come_from_the_hub(python: Path) -> None:
    assert run(python, "large-v3", WEIGHTS_URL="") == ("-m speechwhisper fetch large-v3", 3)


def test_the_weights_come_from_a_web_server_under_the_name_of_the_model(python: Path) -> None:
    said, _ = run(python, "large-v3", WEIGHTS_URL="https://files.example.com/w/")

    assert said == "-m speechwhisper fetch https://files.example.com/w/ --as large-v3"


def test_weights_in_the_image_are_not_fetched(python: Path) -> None:
    assert run(python, "/models/tiny.en") == ("/models/tiny.en: contained in the image", 0)


def test_without_a_whisper_container_nothing_is_fetched(python: Path) -> None:
    said, status = run(python, "small", replicas="0")

    assert (said, status) == ("no Whisper container runs: nothing to fetch", 0)
