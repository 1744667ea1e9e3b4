"""docker-compose.yml as a text: what a user may set, and what no container may do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from speechlocal import paths
from speechlocal.containers import published
from speechlocal.images import catalog

pytestmark = pytest.mark.unit

FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
PAGE = paths.REPOSITORY / "docs" / "how-to" / "run-with-docker-compose.md"
VARIABLE = re.compile(r"\$\{(\w+)(:[-+])?")


def text(name: str) -> str:
    return (paths.REPOSITORY / name).read_text()


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text("docker-compose.yml"))["services"]
    return found


@pytest.mark.parametrize("name", FILES)
def test_every_variable_has_a_default_and_is_explained(name: str) -> None:
    page = PAGE.read_text()
    found = VARIABLE.findall(text(name))

    assert found
    assert [variable for variable, default in found if not default] == []
    assert [variable for variable, _ in found if f"`{variable}`" not in page] == []


def test_the_images_are_those_that_make_images_builds() -> None:
    compose = text("docker-compose.yml")

    assert catalog.tag("bridge") in compose
    assert catalog.tag("whisper") in compose
    assert published.IMAGES["ollama"] in compose
    assert catalog.tag("whisper-cuda") in text("docker-compose.gpu.yml")


@pytest.mark.parametrize("service", list(services()))
def test_each_service_is_limited_and_unprivileged(service: str) -> None:
    wanted = services()[service]

    assert wanted["cap_drop"] == ["ALL"]
    assert wanted["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "ulimits", "healthcheck"} <= set(wanted)
    assert wanted.get("read_only") or service == "asr-webservice"  # a third-party image that writes to its own files


def test_whisper_starts_once_its_weights_are_fetched_into_their_volume() -> None:
    whisper, fetch = services()["whisper"], services()["fetch"]

    assert whisper["depends_on"] == {"fetch": {"condition": "service_completed_successfully"}}
    assert "weights:/cache" in set(whisper["volumes"]) & set(fetch["volumes"])
    assert (whisper["image"], whisper["build"]) == (fetch["image"], fetch["build"])
    assert whisper["environment"]["WHISPER_MODEL"] == fetch["environment"]["WHISPER_MODEL"]
    gpu = yaml.safe_load(text("docker-compose.gpu.yml"))["services"]
    assert (gpu["whisper"]["image"], gpu["whisper"]["build"]) == (gpu["fetch"]["image"], gpu["fetch"]["build"])


@pytest.mark.parametrize("service", ["bridge", "whisper"])
def test_temporary_copies_of_uploads_are_on_disk_and_not_in_memory(service: str) -> None:
    wanted = services()[service]

    assert "tmpfs" not in wanted
    (volume,) = (one.split(":")[0] for one in wanted["volumes"] if one.endswith(":/tmp"))
    assert volume in yaml.safe_load(text("docker-compose.yml"))["volumes"]


def test_only_the_bridge_has_a_port_and_by_default_on_the_loopback_address() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert ports == {"bridge": ["${BIND_ADDRESS:-127.0.0.1}:${PORT:-8080}:8080"]}


def test_a_stop_waits_as_long_as_a_request_may_take() -> None:
    for name in ("bridge", "whisper"):
        assert services()[name]["stop_grace_period"] == "315s"


def test_ollama_listens_on_ipv6_and_ipv4() -> None:
    assert services()["ollama"]["environment"]["OLLAMA_HOST"] == ":11434"  # an address would be one family only
