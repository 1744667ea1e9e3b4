"""Programs of the local cluster: found where they fit, else built once; a script stands for Go."""

from __future__ import annotations

import fcntl
import threading
from typing import TYPE_CHECKING

import pytest

from speechlocal.errors import LocalError, MissingError
from speechlocal.offline import go_programs, tools
from speechlocal.offline.go_programs import PROGRAMS, OnPath

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


def test_what_is_in_the_cache_is_not_built(go: Callable[[], list[str]]) -> None:
    first = tools.ensure("etcd")
    assert tools.ensure("etcd") == first
    assert len(go()) == 1


def test_programs_of_one_module_are_built_in_one_go(go: Callable[[], list[str]]) -> None:
    built = tools.ensure_all(["kube-apiserver", "etcd", "coredns", "kubelet"])

    assert all(path.is_file() for path in built.values())
    assert built["etcd"].name == "etcd", "Go calls it after its folder: server"
    assert len(go()) == 2
    assert sum("kube-apiserver" in line and "kubelet" in line and "etcd/server" in line for line in go()) == 1


def test_a_program_that_cannot_be_built_with_the_others_of_its_module_is_built_by_itself(
    go: Callable[[], list[str]],
) -> None:
    tools.ensure_all(["kubelet", "local-path-provisioner"])

    assert [line.count("/kubelet") + line.count("/local-path-provisioner") for line in go()] == [1, 1]


def test_a_program_knows_its_version(go: Callable[[], list[str]]) -> None:
    tools.ensure_all(["helm", "kubectl"])

    assert f"-X helm.sh/helm/v3/internal/version.version={PROGRAMS['helm'].version}" in go()[0]
    assert f"-X k8s.io/component-base/version.gitVersion={PROGRAMS['kubectl'].version}" in go()[0]


def test_a_program_lies_in_a_folder_of_its_version(go: Callable[[], list[str]]) -> None:
    version = PROGRAMS["kubeconform"].version
    assert tools.ensure("kubeconform").parent.name == f"kubeconform-{version.removeprefix('v')}"
    assert go()[0].endswith(f"github.com/yannh/kubeconform/cmd/kubeconform@{version}")


def test_progress_is_told(go: Callable[[], list[str]]) -> None:
    heard: list[str] = []
    tools.ensure("etcd", heard.append)

    assert heard == ["downloading example.com v1", f"1 of about {PROGRAMS['etcd'].steps} packages"]
    assert go()


@pytest.mark.usefixtures("go")
def test_another_process_that_builds_the_same_is_waited_for(tmp_path: Path) -> None:
    tools.folder().mkdir(parents=True)
    heard: list[str] = []
    waiting = threading.Event()

    def hear(text: str) -> None:
        heard.append(text)
        waiting.set()

    with (tools.folder() / f"{PROGRAMS['etcd'].unit}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        thread = threading.Thread(target=tools.ensure, args=("etcd", hear))
        thread.start()
        assert waiting.wait(10)
        tools.built(PROGRAMS["etcd"]).parent.mkdir()
        tools.built(PROGRAMS["etcd"]).write_text("by the other process")
    thread.join(10)

    assert heard == ["waiting for another process that builds kubernetes"]
    assert (tmp_path / "cache/speechpipeline/tools").is_dir()


def test_a_build_that_fails_shows_the_end_of_what_go_said(path: Path) -> None:
    script(path / "go", "#!/bin/sh\necho 'undefined: frobnicate' >&2; seq --format=some/package%g 50; exit 1\n")

    with pytest.raises(LocalError, match=r"kind could not be built:\nundefined: frobnicate$"):
        tools.ensure("kind")
    assert tools.find("kind") is None
    assert not list(tools.folder().glob("unfinished-*"))


def test_without_go_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(path))

    with pytest.raises(MissingError, match="Go is needed to build kwok") as raised:
        tools.ensure("kwok")
    assert "go.dev" in raised.value.advice


def test_an_installed_program_is_taken_when_its_version_fits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(path / "cache"))
    monkeypatch.setenv("PATH", f"{path}:/usr/bin:/bin")
    script(path / "helm", "#!/bin/sh\necho v3.18.2+g1234\n")
    script(path / "kind", "#!/bin/sh\necho kind v0.20.0 go1.20 linux/amd64\n")

    assert tools.find("helm") == path / "helm"
    assert tools.find("kind") is None, "it is too old for this Kubernetes"
    assert [program.name for program in tools.missing(["helm", "kind"])] == ["kind"]


@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ("Client Version: v1.34.1", True),
        ("Client Version: v1.33.0", True),
        ("Client Version: v1.35.9", True),
        ("Client Version: v1.32.4-dispatcher", False),
        ("Client Version: v1.36.0", False),
        ("command not found", False),
    ],
)
def test_kubectl_may_be_one_minor_version_off(said: str, fits: bool) -> None:  # noqa: FBT001 - a table
    assert OnPath(("version",), (1, 33), (1, 36)).fits(said) is fits


def test_a_module_of_our_own_is_there_for_each_program_that_names_one() -> None:
    from speechlocal import paths  # noqa: PLC0415 - only here

    for program in PROGRAMS.values():
        if program.module:
            folder = paths.REPOSITORY / go_programs.GO_MODULES / program.module
            assert (folder / "go.mod").is_file()
            assert (folder / "go.sum").is_file()
