"""The Dockerfiles and the small programs that run in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from speechlocal import paths
from speechlocal.children import free_port
from speechlocal.containers import published
from speechlocal.images import catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.unit

OURS = {"bridge": "speechbridge", "whisper": "speechwhisper", "operator": "speechoperator"}
BUILDKIT_ONLY = re.compile(r"--mount|--chmod|--link|<<|# ?syntax=")
PROGRAMS = paths.REPOSITORY / "local" / "images"


def stages(name: str) -> dict[str, str]:
    """The stages of a Dockerfile by name, without comments; the last one is ''."""
    lines = [line for line in dockerfile(name).splitlines() if not line.lstrip().startswith("#")]
    parts = re.split(r"^FROM ", "\n".join(lines), flags=re.MULTILINE)[1:]
    named = (re.match(r"\S+ AS ([\w-]+)", part) for part in parts)
    return {name[1] if name else "": part.strip() for name, part in zip(named, parts, strict=True)}


def dockerfile(name: str) -> str:
    return (paths.REPOSITORY / catalog.IMAGES[name].dockerfile).read_text()


@pytest.mark.parametrize("image", list(catalog.IMAGES))
def test_the_legacy_builder_understands_it(image: str) -> None:
    assert not BUILDKIT_ONLY.search(dockerfile(image))


@pytest.mark.parametrize("image", list(catalog.IMAGES))
def test_the_base_is_an_argument_and_by_default_pinned_by_its_digest(image: str) -> None:
    [base] = re.findall(r"^ARG BASE=(\S+)$", dockerfile(image), flags=re.MULTILINE)

    assert base == (published.IMAGES["debian"] if not catalog.IMAGES[image].base else "speechpipeline/whisper")
    assert re.fullmatch(
        r"docker\.io/library/debian:bookworm-\d{8}-slim@sha256:[0-9a-f]{64}", published.IMAGES["debian"]
    )


@pytest.mark.parametrize("image", list(catalog.IMAGES))
def test_it_has_the_labels_that_do_not_depend_on_the_build(image: str) -> None:
    found = re.findall(r"org\.opencontainers\.image\.(\w+)=", stages(image)[""])

    assert found == ["title", "description", "licenses", "version"]


@pytest.mark.parametrize("image", OURS)
def test_an_image_takes_one_package_and_its_extras(image: str) -> None:
    folders = re.findall(r"^COPY (\w+/speech\w+) ", dockerfile(image), flags=re.MULTILINE)
    extras = re.findall(r"distribution\.py requirements ([\w ]+?) >", dockerfile(image))

    assert folders == [f"{image}/{OURS[image]}"]
    devices = [one.device for one in catalog.IMAGES.values() if one.device and one.dockerfile == f"{image}/Dockerfile"]
    traced = "" if image == "operator" else " tracing"
    assert extras == [f"{image}{traced}", *devices]
    assert f'ENTRYPOINT ["python3", "-m", "{OURS[image]}"]' in dockerfile(image)


def test_the_stages_that_all_images_share_are_the_same_lines() -> None:
    ours = [stages(image) for image in OURS]

    assert len({one["python"] for one in ours}) == 1
    assert len({re.sub(r"requirements [\w ]+ >", "", one["wanted"]) for one in ours}) == 1
    installing = {re.split(r"strip-unneeded \{\} \+", one["libraries"])[0] for one in ours}
    assert len(installing) == 1


def test_a_device_is_the_stage_that_the_image_stands_on() -> None:
    found = stages("whisper")

    assert "ARG DEVICE=cpu" in dockerfile("whisper")
    assert found[""].startswith("${DEVICE}\n")
    assert found["cpu"] == "python AS cpu"
    assert catalog.IMAGES["whisper-cuda"].device in found


def test_nvidias_libraries_are_installed_anew_only_for_other_versions_of_them() -> None:
    found = stages("whisper")
    copied = {name: re.findall(r"^COPY (.*)$", stage, flags=re.MULTILINE) for name, stage in found.items()}

    assert "requirements cuda > requirements.txt" in found["cuda-wanted"]
    assert "grep '^nvidia-' constraints.txt > versions.txt" in found["cuda-wanted"]
    assert copied["cuda-libraries"] == ["--from=cuda-wanted /wanted/requirements.txt /wanted/versions.txt /build/"]
    assert copied["cuda"] == ["--from=cuda-libraries /opt/cuda /opt/cuda"]


@pytest.mark.parametrize("image", ["bridge", "whisper", "operator", "ollama"])
def test_it_runs_unprivileged_and_ends_on_sigterm(image: str) -> None:
    last = stages(image)[""]

    assert "USER 10001:10001" in last
    assert "STOPSIGNAL SIGTERM" in last
    assert "HEALTHCHECK" in last
    assert "org.opencontainers.image.version" in last


def test_ollama_listens_on_ipv6_and_ipv4() -> None:
    assert "ENV OLLAMA_HOST=:11434 " in stages("ollama")[""]  # an address would be one family only


def test_the_builder_is_sent_only_what_images_are_made_of() -> None:
    rules = (paths.REPOSITORY / ".dockerignore").read_text().splitlines()
    kept = [rule for rule in rules if rule and not rule.startswith("#")]

    assert kept[0] == "*"
    for image, package in OURS.items():
        assert f"!{image}/{package}" in kept


def test_the_requirements_are_those_of_the_extras() -> None:
    project = tomllib.loads((paths.REPOSITORY / "pyproject.toml").read_text())["project"]

    printed = subprocess.run(
        [sys.executable, str(PROGRAMS / "distribution.py"), "requirements", "bridge", "tracing"],
        cwd=paths.REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    extras = project["optional-dependencies"]
    assert printed.splitlines() == extras["bridge"] + extras["tracing"]


def test_the_metadata_is_found_by_importlib(tmp_path: Path) -> None:
    writing = [sys.executable, str(PROGRAMS / "distribution.py"), "metadata", str(tmp_path)]
    subprocess.run(writing, cwd=paths.REPOSITORY, check=True)

    asking = "import importlib.metadata; print(importlib.metadata.version('speechpipeline'))"
    known = subprocess.run(
        [sys.executable, "-S", "-c", asking],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ).stdout

    assert known.strip() == catalog.project_version()


class Answering(BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path[1:]))
        self.end_headers()
        self.wfile.write(b"whisper is not there")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def healthcheck(port: int, path: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-IS", str(PROGRAMS / "healthcheck.py"), str(port), path]
    return subprocess.run(program, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("status", [200, 204])
def test_healthcheck_succeeds_for_a_healthy_server(port: int, status: int) -> None:
    assert healthcheck(port, f"/{status}").returncode == 0


def test_healthcheck_shows_the_response_of_an_unhealthy_server(port: int) -> None:
    done = healthcheck(port, "/503")

    assert done.returncode == 1
    assert "whisper is not there" in done.stdout


def test_healthcheck_reports_a_closed_port() -> None:
    done = healthcheck(free_port(), "/")

    assert done.returncode == 1
    assert "refused" in done.stdout
