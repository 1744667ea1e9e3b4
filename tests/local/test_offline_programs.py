"""Programs of the local cluster: used where their version fits, else built once; a script stands for Go."""

from __future__ import annotations

import fcntl
import threading
from typing import TYPE_CHECKING

import pytest

from speechlocal import programs
from speechlocal.errors import LocalError, MissingError
from speechlocal.offline import go_programs, provide
from speechlocal.offline.go_recipes import GO_MODULES, RECIPES, unit
from speechlocal.programs import INSTALLED, VERSIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.unit

# Writes what it was asked to build, and its own command line, as go would: into -o FOLDER/, or into GOBIN
GO = """#!/bin/sh
echo "$@" >> {log}
echo "go: downloading example.com v1"
echo "some/package" >&2
folder=$GOBIN
while [ $# -gt 0 ]; do
  [ "$1" = -o ] && folder=$2
  case $1 in
    */*@*) package=${{1%%@*}}; echo built > $folder/${{package##*/}} ;;
    go.etcd.io/*) echo built > $folder/server ;;
    /*|*=*) ;;
    */*/*|sigs.k8s.io/*) echo built > $folder/${{1##*/}} ;;
  esac
  shift
done
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH with little more than a folder for scripts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def go(path: Path, tmp_path: Path) -> Callable[[], list[str]]:
    """A stand-in for Go; returns the command lines that it was given so far."""
    log = tmp_path / "go.log"
    log.touch()
    script(path / "go", GO.format(log=log))
    return lambda: log.read_text().splitlines()


def test_a_cached_program_is_not_built(go: Callable[[], list[str]]) -> None:
    first = provide.program("etcd")
    assert provide.program("etcd") == first
    assert len(go()) == 1


def test_programs_of_one_module_are_built_in_one_run(go: Callable[[], list[str]]) -> None:
    built = go_programs.ensure(["kube-apiserver", "etcd", "coredns", "kubelet"])

    assert all(path.is_file() for path in built.values())
    assert built["etcd"].name == "etcd", "Go calls it after its folder: server"
    assert len(go()) == 2
    assert sum("kube-apiserver" in line and "kubelet" in line and "etcd/server" in line for line in go()) == 1


def test_a_separate_program_is_built_in_a_run_of_its_own(
    go: Callable[[], list[str]],
) -> None:
    go_programs.ensure(["kubelet", "local-path-provisioner"])

    assert [line.count("/kubelet") + line.count("/local-path-provisioner") for line in go()] == [1, 1]


def test_a_program_knows_its_version(go: Callable[[], list[str]]) -> None:
    go_programs.ensure(["helm", "kubectl"])

    assert f"-X helm.sh/helm/v3/internal/version.version={VERSIONS['helm']}" in go()[0]
    assert f"-X k8s.io/component-base/version.gitVersion={VERSIONS['kubectl']}" in go()[0]


def test_a_program_is_cached_in_a_folder_of_its_version(go: Callable[[], list[str]]) -> None:
    version = VERSIONS["kubeconform"]
    assert provide.program("kubeconform").parent.name == f"kubeconform-{version.removeprefix('v')}"
    assert go()[0].endswith(f"github.com/yannh/kubeconform/cmd/kubeconform@{version}")


def test_progress_is_reported(go: Callable[[], list[str]]) -> None:
    reported: list[str] = []
    provide.program("etcd", reported.append)

    assert reported == ["downloading example.com v1", f"1 of about {RECIPES['etcd'].packages} packages"]
    assert go()


@pytest.mark.usefixtures("go")
def test_another_process_that_builds_the_same_is_waited_for(tmp_path: Path) -> None:
    programs.folder().mkdir(parents=True)
    reported: list[str] = []
    waiting = threading.Event()

    def hear(text: str) -> None:
        reported.append(text)
        waiting.set()

    with (programs.folder() / f"{unit('etcd')}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=provide.program, args=("etcd", hear))
        thread.start()
        assert waiting.wait(10)
        programs.cached("etcd").parent.mkdir()
        programs.cached("etcd").write_text("by the other process")
    thread.join(10)

    assert reported == ["waiting for another process that builds kubernetes"]
    assert (tmp_path / "cache/speechpipeline/tools").is_dir()


def test_a_failed_build_shows_the_end_of_its_output(path: Path) -> None:
    script(path / "go", "#!/bin/sh\necho 'undefined: frobnicate' >&2; seq --format=some/package%g 50; exit 1\n")

    with pytest.raises(LocalError, match=r"kind could not be built:\nundefined: frobnicate$"):
        provide.program("kind")
    assert programs.find("kind") is None
    assert not list(programs.folder().glob("unfinished-*"))


def test_without_go_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(path))

    with pytest.raises(MissingError, match="Go is needed to build kwok") as raised:
        provide.program("kwok")
    assert "go.dev" in raised.value.advice


def test_an_installed_program_is_used_if_its_version_fits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(path / "cache"))
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    script(path / "helm", "#!/bin/sh\necho v3.18.2+g1234\n")
    script(path / "kind", "#!/bin/sh\necho kind v0.20.0 go1.20 linux/amd64\n")

    assert programs.find("helm") == path / "helm"
    assert programs.find("kind") is None, "it is too old for this Kubernetes"
    assert programs.missing(["helm", "kind"]) == {"kind"}


@pytest.mark.parametrize(
    ("output", "fits"),
    [
        ("Client Version: v1.34.1", True),
        ("Client Version: v1.33.0", True),
        ("Client Version: v1.35.9", True),
        ("Client Version: v1.32.4-dispatcher", False),
        ("Client Version: v1.36.0", False),
        ("command not found", False),
    ],
)
def test_kubectl_may_be_one_minor_version_off(output: str, fits: bool) -> None:  # noqa: FBT001 - a table
    assert INSTALLED["kubectl"].fits(output) is fits


def test_every_program_has_a_recipe() -> None:
    assert RECIPES.keys() == VERSIONS.keys()


def test_every_module_of_a_recipe_is_in_the_repository() -> None:
    modules = {recipe.module for recipe in RECIPES.values() if recipe.module}

    assert modules == {folder.name for folder in GO_MODULES.iterdir()}
    assert all((GO_MODULES / module / name).is_file() for module in modules for name in ("go.mod", "go.sum"))
