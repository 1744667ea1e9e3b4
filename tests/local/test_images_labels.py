"""What an image says about its base and its commit."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from speechcli.errors import UsageError
from speechlocal.errors import LocalError
from speechlocal.images import labels

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
DATE = "2026-11-30T12:00:00+01:00"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A clone with one commit."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    person = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **person, "GIT_COMMITTER_DATE": DATE, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def release(repository: Path) -> dict[str, str]:
    return {name.removeprefix(labels.PREFIX): value for name, value in labels.of_release(repository).items()}


def test_a_published_base_is_named_with_its_digest() -> None:
    found = labels.of_base(f"docker.io/library/debian:bookworm-slim@{DIGEST}", "")

    assert found == {
        "org.opencontainers.image.base.name": "docker.io/library/debian:bookworm-slim",
        "org.opencontainers.image.base.digest": DIGEST,
    }


def test_a_base_that_was_made_here_is_named_with_its_id() -> None:
    found = labels.of_base("speechpipeline/debian:bookworm-1", DIGEST)

    assert found["org.opencontainers.image.base.digest"] == DIGEST


def test_a_release_names_its_commit_and_where_that_is_published(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://robot:secret@git.example.com/team/speechpipeline.git")

    assert release(repository) == {
        "revision": git(repository, "rev-parse", "HEAD"),
        "created": DATE,
        "source": "https://git.example.com/team/speechpipeline",
    }


def test_without_a_remote_there_is_no_source(repository: Path) -> None:
    assert "source" not in release(repository)


def test_changes_that_are_not_committed_are_no_release(repository: Path) -> None:
    (repository / "file").write_text("2")

    with pytest.raises(UsageError, match="but file changed"):
        release(repository)


def test_a_folder_without_git_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="not a git repository"):
        release(tmp_path)


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("git@git.example.com:team/speech.git", "https://git.example.com/team/speech"),
        ("ssh://git@git.example.com:2222/team/speech.git", "https://git.example.com/team/speech"),
        ("https://git.example.com:8443/team/speech/", "https://git.example.com:8443/team/speech"),
        ("/srv/git/speech.git", ""),
        ("file:///srv/git/speech.git", ""),
    ],
)
def test_a_remote_as_a_url_for_a_browser(remote: str, url: str) -> None:
    assert labels.web_address(remote) == url
