"""The chart keeps to the conventions of the community's charts: the real `ct lint`, with its own rules.

Not checked: that a change increments the version, for which it needs a remote repository with the last release, and
that maintainers have accounts, which it asks of the site that hosts the repository.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from charts.helm import program, value_files
from repository import ROOT
from speechlocal import versions
from speechlocal.offline import golang
from speechlocal.paths import CHART

pytestmark = pytest.mark.cluster

MODULE = f"github.com/helm/chart-testing/v3@{versions.CHART_TESTING}"


@pytest.fixture(scope="module")
def rules() -> Path:
    """The folder with the rules that chart-testing ships."""
    return golang.downloaded(MODULE) / "etc"


def lint(rules: Path, chart: Path) -> subprocess.CompletedProcess[str]:
    command = [program("ct"), "lint", f"--charts={chart}"]
    config = (f"--lint-conf={rules / 'lintconf.yaml'}", f"--chart-yaml-schema={rules / 'chart_schema.yaml'}")
    offline = ("--check-version-increment=false", "--validate-maintainers=false")
    # `ct` runs helm, yamllint and yamale
    folders = (str(program("helm").parent), str(Path(sys.executable).parent), os.environ["PATH"])
    environment = {**os.environ, "PATH": os.pathsep.join(folders)}
    return subprocess.run(
        [*command, *config, *offline], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(CHART, tmp_path / "speechpipeline")


def test_ct_lint_finds_nothing_with_any_of_the_value_files(rules: Path) -> None:
    linted = lint(rules, CHART)

    assert linted.returncode == 0, linted.stdout + linted.stderr
    for file in value_files():
        assert f"ci/{file.name}" in linted.stdout


@pytest.mark.parametrize(
    ("file", "added", "said"),
    [
        ("Chart.yaml", "maintainer: somebody\n", "maintainer: Unexpected element"),
        ("values.yaml", "#unspaced\n", "missing starting space in comment"),
        ("ci/default-values.yaml", "replicas: 3\n", "additional properties 'replicas' not allowed"),
    ],
)
def test_a_fault_is_found(rules: Path, copy: Path, file: str, added: str, said: str) -> None:
    with (copy / file).open("a") as text:
        text.write(added)

    linted = lint(rules, copy)

    assert linted.returncode
    assert said in linted.stdout + linted.stderr
