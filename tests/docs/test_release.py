"""All places agree on the version, also after the commands of docs/how-to/release.md."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from generator import chart_metadata
from repository import ROOT, tracked
from speechlocal.images.catalog import IMAGES

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "how-to" / "release.md").read_text()
OURS = "|".join(re.escape(image.name) for image in IMAGES.values() if not image.version)
NAMED = re.compile(rf"(?:speechpipeline/(?:{OURS}):|\bVERSION: )(\d+\.\d+\.\d+)")
EXAMPLE = "such as"
"""Marks a line that shows what an image's name looks like; its version does not matter."""


def project_version(root: Path) -> str:
    version: str = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    return version


def stale(root: Path) -> list[str]:
    """The places that name another version than pyproject.toml does; tests notice by themselves."""
    version = project_version(root)
    chart = yaml.safe_load((root / "charts" / "speechpipeline" / "Chart.yaml").read_text())
    found = [f"Chart.yaml: {key}: {chart[key]}" for key in ("version", "appVersion") if chart[key] != version]
    for file in tracked(":!tests", ":!changelog.d"):
        name = file.relative_to(ROOT)
        lines = (root / name).read_text(errors="replace").splitlines()
        found += [f"{name}: {line}" for line in lines if EXAMPLE not in line and set(NAMED.findall(line)) - {version}]
    return found


def commands(beginning: str) -> str:
    """The page's block of commands that begins so."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if block.lstrip().startswith(beginning)]
    return str(block)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with the files of this one, and one more changelog fragment."""
    for file in tracked():
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (tmp_path / "changelog.d" / "+release.added.md").write_text("A sentence about something new.\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    return tmp_path


def published() -> str:
    """The step that fills the registry, with what its loop over our images stands for."""
    step = PAGE.partition("## 2. Publish")[2].partition("## 3. Verify")[0]
    (names,) = re.findall(r"^ *for image in (.*); do$", step, flags=re.MULTILINE)
    return step + "".join(f"speechpipeline/{name}:$NEW\n" for name in names.split())


@pytest.mark.parametrize("image", [one["image"] for one in chart_metadata.images("$NEW")])
def test_every_image_of_the_chart_gets_into_the_registry(image: str) -> None:
    """`images.registry` is prepended to all of them, those of other projects too."""
    assert re.search(re.escape(image) + r"(?![-.\w])", published())


def test_all_places_name_the_same_version() -> None:
    assert stale(ROOT) == []


def test_the_steps_of_a_release_set_the_version_everywhere_and_write_the_changelog(copy: Path) -> None:
    bump = re.sub(r"OLD=\S+ NEW=\S+", f"OLD={project_version(ROOT)} NEW=9.8.7", commands("OLD="))
    build = commands(".venv/bin/towncrier").replace(".venv/bin", str(Path(sys.executable).parent))

    subprocess.run(["bash", "-euo", "pipefail", "-c", bump + build], cwd=copy, check=True, capture_output=True)

    changelog = (copy / "CHANGELOG.md").read_text()
    assert project_version(copy) == "9.8.7"
    assert stale(copy) == []
    assert "- A sentence about something new." in changelog.partition("## 9.8.7 (")[2]
    assert [file.name for file in (copy / "changelog.d").iterdir()] == ["README.md"]
