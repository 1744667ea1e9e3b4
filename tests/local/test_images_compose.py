"""docker-compose.yml as a text: what a user may set, and what no container may do."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from speechlocal import paths
from speechlocal.containers import published
from speechlocal.images import catalog

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_model_that_cannot_be_pulled_stops_nothing_else() -> None:
    waits = {name: service.get("depends_on", {}).get("models") for name, service in services().items()}

    assert {name: how for name, how in waits.items() if how} == {
        "bridge": {"condition": "service_completed_successfully", "required": False}
    }


def test_files_of_this_repository_are_readable_with_selinux() -> None:
    """Not the folder of API keys: by default it is /dev/null, which must not be relabelled."""
    mounts = [mount for service in services().values() for mount in service.get("volumes", ())]

    own = [mount for mount in mounts if mount.startswith("./")]
    assert len(own) == 2
    assert all(mount.endswith(":ro,z") for mount in own)


@dataclass
class Puller:
    """The script of the service `models`, with an `ollama` that has no model and cannot pull `unheard-of`."""

    folder: Path

    def pull(self, *models: str) -> tuple[int, list[str], str]:
        """The exit code, the models that were pulled, and what was printed."""
        ollama, pulled = self.folder / "ollama", self.folder / "pulled"
        ollama.write_text(
            '#!/bin/sh\ncase "$1 $2" in\n'
            '"pull unheard-of") echo "Error: file does not exist"; exit 1 ;;\n'
            f'pull*) echo "$2" >> "{pulled}" ;;\n'
            "*) exit 1 ;;\nesac\n"
        )
        ollama.chmod(0o755)
        script = (paths.REPOSITORY / "local" / "images" / "pull-models.sh").read_text()
        for slow, quick in (("/tmp/pulling", str(self.folder / "pulling")), ("sleep 2 ", "sleep 0.01 ")):  # noqa: S108
            assert slow in script
            script = script.replace(slow, quick)
        ran = subprocess.run(
            ["/bin/sh", "-c", script],
            env={"PATH": f"{self.folder}:/usr/bin:/bin", "MODELS": ",".join(models), "PULL_ATTEMPTS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, pulled.read_text().split() if pulled.exists() else [], ran.stdout + ran.stderr


def test_a_model_that_cannot_be_pulled_does_not_keep_the_others_away(tmp_path: Path) -> None:
    code, pulled, said = Puller(tmp_path).pull("unheard-of", "smollm2:135m")

    assert (code, pulled) == (1, ["smollm2:135m"])
    assert "unheard-of: not pulled after 1 attempts" in said


def test_models_that_are_all_pulled_are_a_success(tmp_path: Path) -> None:
    assert Puller(tmp_path).pull("llama3.2", "smollm2:135m")[:2] == (0, ["llama3.2", "smollm2:135m"])


def test_only_the_bridge_has_a_port_and_by_default_on_the_loopback_address() -> None:
    ports = {name: service["ports"] for name, service in services().items() if "ports" in service}

    assert ports == {"bridge": ["${BIND_ADDRESS:-127.0.0.1}:${PORT:-8080}:8080"]}


def test_a_stop_waits_as_long_as_a_request_may_take() -> None:
    for name in ("bridge", "whisper"):
        assert services()[name]["stop_grace_period"] == "315s"


def test_ollama_listens_on_ipv6_and_ipv4() -> None:
    assert services()["ollama"]["environment"]["OLLAMA_HOST"] == ":11434"  # an address would be one family only
