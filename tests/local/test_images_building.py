"""The order of builds, their arguments, and the output of the command; Docker is a double."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from speechlocal import debian, models, ollama, paths
from speechlocal.__main__ import main
from speechlocal.containers import docker, engine, published, registries
from speechlocal.errors import LocalError, MissingError
from speechlocal.images import build_arguments, building, catalog, labels
from speechlocal.offline import ollama_build, provide

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

MEGABYTES = 137_000_000


@dataclass
class Engine:
    """Images by tag, with their ids; what is built has the id `sha256:new`."""

    images: dict[str, str] = field(default_factory=dict)
    builds: list[tuple[str, Path, dict[str, str]]] = field(default_factory=list)
    labels: list[dict[str, str]] = field(default_factory=list)
    orders: list[tuple[str, ...]] = field(default_factory=list)

    def build(self, folder: Path, tag: str, *, arguments: dict[str, str], labels: dict[str, str], **_: Any) -> None:
        self.builds.append((tag, folder, arguments))
        self.labels.append(labels)
        self.images[tag] = "sha256:new"

    def image_id(self, tag: str) -> str:
        if tag not in self.images:
            raise LocalError(f"no such image {tag}")
        return self.images[tag]

    def docker(self, *arguments: str) -> str:
        self.orders.append(arguments)
        if arguments[0] == "tag":
            self.images[arguments[2]] = self.images.setdefault(arguments[1], "sha256:published")
        return str(MEGABYTES)


@pytest.fixture
def engine_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    one = Engine({"debian:base": "sha256:base"})
    for name in ("build", "image_id", "docker"):
        monkeypatch.setattr(docker, name, getattr(one, name))
    monkeypatch.setattr(docker, "has_image", lambda tag: tag in one.images)
    monkeypatch.setattr(registries, "answer", lambda: False)
    monkeypatch.setattr(provide, "image", lambda name, _report: f"{name}:base")
    monkeypatch.setattr(build_arguments, "build_arguments", lambda: {"PIP_INDEX_URL": "https://packages.example.com"})
    monkeypatch.setattr(engine, "ensure", lambda _report: None)
    monkeypatch.setattr(engine, "users", lambda: tmp_path / "users")
    monkeypatch.setattr(debian, "can_install", lambda: False)
    return one


def build(*names: str) -> list[building.Built]:
    return building.build(names, lambda _line: None)


def test_a_build_is_given_the_base_the_version_and_the_package_index(engine_: Engine) -> None:
    build("bridge")

    ((tag, folder, arguments),) = engine_.builds
    assert (tag, folder) == (catalog.tag("bridge"), paths.REPOSITORY)
    assert arguments == {
        "BASE": "debian:base",
        "VERSION": catalog.project_version(),
        "PIP_INDEX_URL": "https://packages.example.com",
    }


def test_an_image_names_its_base(engine_: Engine) -> None:
    build("whisper-tiny.en")

    of_server, of_weights = engine_.labels
    assert of_server[f"{labels.PREFIX}base.name"] == "debian:base"
    assert of_server[f"{labels.PREFIX}base.digest"] == "sha256:base"
    assert of_weights[f"{labels.PREFIX}base.name"] == catalog.tag("whisper")
    assert of_weights[f"{labels.PREFIX}base.digest"] == "sha256:new"


def test_only_a_release_names_its_commit(engine_: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "of_release", lambda _repository: {"revision": "f00"})

    build("bridge")
    building.build(["bridge"], lambda _line: None, release=True)

    assert [found.get("revision") for found in engine_.labels] == [None, "f00"]


def test_the_weights_are_put_on_the_image_of_the_server(engine_: Engine) -> None:
    build("whisper-tiny.en")

    (server, _, _), (_, folder, arguments) = engine_.builds
    assert arguments["BASE"] == server == catalog.tag("whisper")
    assert folder == models.whisper_weights()


def test_an_image_for_a_gpu_comes_from_the_same_folder_and_is_told_its_device(engine_: Engine) -> None:
    build("whisper", "whisper-cuda")

    (cpu, folder, for_cpu), (cuda, same_folder, for_cuda) = engine_.builds
    assert cuda == f"{cpu}-cuda"
    assert same_folder == folder
    assert for_cuda == {**for_cpu, "DEVICE": "cuda", "VERSION": f"{for_cpu['VERSION']}-cuda"}


def test_an_identical_image_is_not_changed(engine_: Engine) -> None:
    engine_.images[catalog.tag("bridge")] = "sha256:new"

    assert [one.changed for one in build("bridge", "operator")] == [False, True]


def test_where_registries_answer_ollama_is_pulled_and_gets_our_tag(
    engine_: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "answer", lambda: True)

    build("ollama")

    upstream = published.IMAGES["ollama"]
    assert engine_.builds == []
    assert ("pull", "--quiet", upstream) in engine_.orders
    assert ("tag", upstream, catalog.tag("ollama")) in engine_.orders


def test_an_ollama_that_cannot_be_built_is_reported_with_what_is_missing(
    engine_: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ollama, "built", lambda: tmp_path / "ollama")
    monkeypatch.setattr(ollama_build, "missing_requirements", lambda: ["Go 1.24 or newer"])

    with pytest.raises(MissingError, match=r"missing: Go 1\.24 or newer"):
        build("ollama")
    assert engine_.builds == []


def test_the_command_announces_first_builds_and_reports_each_image(
    engine_: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    engine_.images[catalog.tag("operator")] = "sha256:new"

    assert main(["images", "--only", "bridge", "operator"]) == 0

    said = re.sub(" +", " ", capsys.readouterr().out)
    assert "building for the first time: bridge; about 60 s" in said
    assert f"{catalog.tag('bridge')} 137 MB built" in said
    assert f"{catalog.tag('operator')} 137 MB unchanged" in said
    assert "next: `make cluster`" in said


def test_the_command_rejects_an_unknown_image(engine_: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "--only", "brigde"]) == 2
    assert "there is no image brigde" in capsys.readouterr().err
    assert engine_.builds == []
