"""A project of Docker Compose: the service as docker-compose.yml has it, under a name and a port of its own."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from speechlocal import models, paths
from speechlocal.children import KEPT_VARIABLES
from speechlocal.containers import command, docker

FILES = ("docker-compose.yml", "tests/e2e/compose/model-registry.yml")
MODEL = models.LLM_NAME
READY_WITHIN_S = 600
PROJECT_LABEL = "com.docker.compose.project"


@dataclass(frozen=True)
class Project:
    """`settings` are the variables of the compose `files`; none of the caller's environment gets in."""

    program: Path
    name: str
    port: int
    settings: Mapping[str, str]
    files: tuple[str, ...] = FILES

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def having(self, **settings: str) -> "Project":
        return replace(self, settings={**self.settings, **settings})

    def run(self, *arguments: str) -> str:
        """Run `docker compose ARGUMENTS` as a user does in the repository's folder; raises LocalError when it fails."""
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        variables = {**kept, **self.settings, "PORT": str(self.port)}
        # `command.run` only adds variables
        env = ("env", "--ignore-environment", *(f"{name}={value}" for name, value in variables.items()))
        which = (*(f"--file={paths.REPOSITORY / name}" for name in self.files), f"--project-name={self.name}")
        return command.run([*env, self.program, *which, *arguments])

    def up(self, *arguments: str) -> None:
        """Start what is not running and wait until all is healthy; nothing is built or pulled."""
        self.run("up", "--detach", "--wait", "--wait-timeout", str(READY_WITHIN_S), "--no-build", *arguments)

    def down(self) -> None:
        self.run("--profile", "*", "down", "--volumes", "--remove-orphans")

    def container(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's only container, also when it has ended."""
        (found,) = self.run("ps", "--all", "--quiet", service).split()
        container = docker.container(found)
        assert container is not None
        return container

    def containers(self) -> dict[str, dict[str, Any]]:
        """All containers by their service."""
        found = self.run("ps", "--all", "--format", "{{.Service}}").split()
        return {service: self.container(service) for service in found}

    def left(self) -> dict[str, list[str]]:
        """What the engine has of this project: containers, volumes, networks."""
        kinds = {"container": ("ps", "--all"), "volume": ("volume", "ls"), "network": ("network", "ls")}
        label = f"label={PROJECT_LABEL}={self.name}"
        found = {kind: docker.docker(*ask, "--quiet", "--filter", label).split() for kind, ask in kinds.items()}
        return {kind: ids for kind, ids in found.items() if ids}

    def config(self) -> dict[str, Any]:
        """The services as Compose understands the files."""
        services: dict[str, Any] = json.loads(self.run("config", "--format", "json"))["services"]
        return services


def documented(first: str) -> dict[str, str]:
    """The variables of the how-to's example that begins with `first`: what is written there is what is run here."""
    page = (paths.REPOSITORY / "docs" / "how-to" / "run-with-docker-compose.md").read_text()
    (block,) = (one for one in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL) if one.startswith(f"{first}="))
    return dict(line.split("=", 1) for line in block.splitlines())


def offline(model_registry: str) -> dict[str, str]:
    """The variables for a machine that reaches neither a container registry nor a model hub."""
    ours = {"MODEL_REGISTRY": "model-registry:5000/library", "MODEL_REGISTRY_IMAGE": model_registry}
    return {**documented("OLLAMA_IMAGE"), **ours}
