"""The base image: pulled, made once, or taken from the cache; Docker and the making are doubles."""

from __future__ import annotations

import io
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from speechlocal import paths
from speechlocal.containers import docker, published, registries
from speechlocal.errors import LocalError
from speechlocal.offline import base_image

pytestmark = pytest.mark.unit


@dataclass
class Engine:
    """The images it has, and how they came."""

    images: set[str] = field(default_factory=set)
    made: list[str] = field(default_factory=list)
    loaded: list[Path] = field(default_factory=list)

    def docker(self, order: str, option: str, file: str, *tags: str) -> str:
        if (order, option) == ("save", "--output"):
            Path(file).write_text(" ".join(tags))
        elif (order, option) == ("load", "--input"):
            self.loaded.append(Path(file))
            self.images.update(Path(file).read_text().split())
        else:
            raise AssertionError(order)
        return ""

    def make(self, tag: str, _report: object) -> None:
        self.made.append(tag)
        self.images.add(tag)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    one = Engine()
    monkeypatch.setattr(docker, "docker", one.docker)
    monkeypatch.setattr(docker, "has_image", one.images.__contains__)
    monkeypatch.setattr(base_image, "make", one.make)
    monkeypatch.setattr(registries, "answer", lambda: False)
    monkeypatch.setattr(paths, "cache", lambda: tmp_path)
    return one


def ensure() -> str:
    return base_image.ensure(lambda _line: None)


def test_the_published_image_is_taken_where_registries_answer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "answer", lambda: True)

    assert ensure() == published.IMAGES["debian"]
    assert engine.made == []


def test_it_is_made_once(engine: Engine) -> None:
    assert ensure() == ensure() == base_image.local_tag()
    assert engine.made == [base_image.local_tag()]


def test_a_pruned_engine_gets_it_back_from_the_cache(engine: Engine) -> None:
    ensure()
    engine.images.clear()

    ensure()

    assert engine.made == [base_image.local_tag()]
    assert len(engine.loaded) == 1


def test_an_image_that_failed_is_not_cached(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise LocalError("debootstrap failed")

    monkeypatch.setattr(base_image, "make", fail)

    with pytest.raises(LocalError):
        ensure()
    assert list(tmp_path.glob("*.tar")) == []
    assert engine.loaded == []


def test_other_certificates_make_another_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_image, "certificates", lambda: b"one")
    before = base_image.local_tag()
    monkeypatch.setattr(base_image, "certificates", lambda: b"another")

    assert base_image.local_tag() != before


def test_files_that_a_container_does_not_need_are_excluded(tmp_path: Path) -> None:
    needed = ("usr/bin/env", "usr/share/zoneinfo/UTC", "var/cache/debconf/config.dat", "opt/usr/share/doc/own")
    excluded = ("usr/share/doc/apt/copyright", "usr/share/man/man1/ls.1", "var/cache/apt/archives/a.deb")
    for name in (*needed, *excluded, "var/lib/apt/lists/Packages"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    archive = subprocess.run(
        ["tar", "--create", *base_image.tar_arguments(tmp_path)], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as image:
        files = {member.name for member in image if member.isfile()}

    assert files == {f"./{name}" for name in needed}
