"""`.ci/changelog.py`: which fragments `make lint` asks for, and where it has nothing to compare with."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from repository import ROOT

pytestmark = pytest.mark.unit

SCRIPT = ROOT / ".ci" / "changelog.py"
FRAGMENTS = ROOT / "changelog.d"


class Checkout:
    """A repository with this project's towncrier settings; `main` has one shipped file and no fragment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "somebody"),
            **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "somebody@example.com"),
        }

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def write(self, name: str, text: str = "A sentence.\n") -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, name: str, text: str = "A sentence.\n") -> None:
        self.write(name, text)
        self.git("add", name)
        self.git("commit", "--quiet", "--message", name)

    def clone(self, folder: Path, *options: str) -> "Checkout":
        self.git("clone", "--quiet", *options, self.folder.as_uri(), str(folder))
        return Checkout(folder)

    def checked(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, SCRIPT],
            cwd=self.folder,
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def main(tmp_path: Path) -> Checkout:
    made = Checkout(tmp_path / "work")
    made.folder.mkdir()
    made.git("init", "--quiet", "--initial-branch", "main")
    shutil.copy(ROOT / "pyproject.toml", made.folder)
    shutil.copy(ROOT / "CHANGELOG.md", made.folder)
    made.git("add", ".")
    made.commit("bridge/app.py", "1")
    return made


@pytest.fixture
def branch(main: Checkout) -> Checkout:
    main.git("switch", "--quiet", "--create", "feature")
    return main


def test_main_needs_no_fragment(main: Checkout) -> None:
    assert main.checked().returncode == 0


def test_a_branch_that_changes_what_is_shipped_needs_a_fragment(branch: Checkout) -> None:
    branch.commit("bridge/app.py", "2")

    checked = branch.checked()

    assert checked.returncode == 1
    assert "no fragment on this branch, which changes bridge/app.py" in checked.stderr
    assert "changelog.d/README.md says how to write one" in checked.stderr


@pytest.mark.parametrize("kind", ["added", "internal"])
def test_a_fragment_of_any_type_will_do(branch: Checkout, kind: str) -> None:
    branch.commit("bridge/app.py", "2")
    branch.commit(f"changelog.d/+topic.{kind}.md")

    assert branch.checked().returncode == 0


def test_a_fragment_counts_once_it_is_staged(branch: Checkout) -> None:
    branch.commit("bridge/app.py", "2")
    branch.write("changelog.d/12.fixed.md")
    branch.git("add", ".")

    assert branch.checked().returncode == 0


def test_a_fragment_of_an_earlier_branch_does_not_count(main: Checkout) -> None:
    main.commit("changelog.d/+earlier.added.md")
    main.git("switch", "--quiet", "--create", "feature")
    main.commit("bridge/app.py", "2")

    assert main.checked().returncode == 1


@pytest.mark.parametrize("name", ["docs/page.md", "tests/test_app.py", "benchmarks/run.py", "examples/README.md"])
def test_documentation_tests_and_benchmarks_need_none(branch: Checkout, name: str) -> None:
    branch.commit(name)

    assert branch.checked().returncode == 0


def test_a_release_needs_none(branch: Checkout) -> None:
    branch.commit("charts/speechpipeline/Chart.yaml", "version: 0.2.0")
    branch.commit("CHANGELOG.md", "## 0.2.0")

    assert branch.checked().returncode == 0


def test_a_branch_of_a_clone_is_compared_with_the_main_it_came_from(main: Checkout, tmp_path: Path) -> None:
    clone = main.clone(tmp_path / "clone")
    clone.git("switch", "--quiet", "--create", "feature")
    clone.git("branch", "--quiet", "--delete", "main")
    clone.commit("bridge/app.py", "2")

    assert clone.checked().returncode == 1


def test_a_fresh_clone_of_main_passes(main: Checkout, tmp_path: Path) -> None:
    assert main.clone(tmp_path / "clone").checked().returncode == 0


def test_a_branch_without_main_beside_it_passes_and_says_why(branch: Checkout, tmp_path: Path) -> None:
    branch.commit("bridge/app.py", "2")
    alone = branch.clone(tmp_path / "alone", "--depth", "1", "--branch", "feature")

    checked = alone.checked()

    assert checked.returncode == 0
    assert "no main branch to compare with" in checked.stdout


def test_a_folder_without_git_passes_and_says_why(main: Checkout) -> None:
    shutil.rmtree(main.folder / ".git")

    checked = main.checked()

    assert checked.returncode == 0
    assert "no main branch to compare with" in checked.stdout


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("topic.added.md", "does not match the configured pattern"),
        ("+topic.improved.md", "Invalid news fragment name"),
        ("notes.md", "Invalid news fragment name"),
    ],
)
def test_a_wrong_name_is_refused_everywhere(main: Checkout, name: str, why: str) -> None:
    main.write(f"changelog.d/{name}")

    checked = main.checked()

    assert checked.returncode == 1
    assert why in checked.stderr
    assert "changelog.d/README.md says how to write one" in checked.stderr


def test_every_fragment_here_says_something() -> None:
    fragments = [path for path in FRAGMENTS.glob("*.md") if path.name != "README.md"]

    assert [path.name for path in fragments if not path.read_text().strip().endswith(".")] == []


def test_the_page_about_fragments_lists_their_types() -> None:
    page = (FRAGMENTS / "README.md").read_text()
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]

    explained = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]

    assert explained == [kind["directory"] for kind in settings["type"]]
