"""Helm as the tests call it: the real program, its words as the error when it refuses."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from speechlocal import programs, versions
from speechlocal.paths import CHART

VALUES = CHART / "ci"
SUFFIX = "-values"
"""Of the files in VALUES, by chart-testing's convention."""
RECORDING = re.compile(r"(?<=recording\.ogg: )\S+")


class HelmError(Exception):
    """Helm refused; the text is what it said."""


class Helm:
    """One program, with the arguments that lead to a cluster where there is one."""

    def __init__(self, program: Path, *access: str) -> None:
        self._program = program
        self._access = access

    def __call__(self, *arguments: str | Path) -> str:
        command = [str(self._program), *self._access, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise HelmError((done.stderr or done.stdout).strip())
        return done.stdout

    def template(self, *arguments: str | Path, name: str = "speech", namespace: str = "voice") -> str:
        """What would be installed, without a cluster."""
        at = ("--namespace", namespace, "--kube-version", versions.KUBERNETES)
        return self("template", name, CHART, *at, *arguments)

    def objects(self, *arguments: str | Path, **at: str) -> list[dict[str, Any]]:
        return [body for body in yaml.safe_load_all(self.template(*arguments, **at)) if body]

    def one(self, kind: str, *arguments: str | Path, **at: str) -> dict[str, Any]:
        """The only object of this kind that is no hook."""
        (found,) = (body for body in self.objects(*arguments, **at) if body["kind"] == kind and not hook(body))
        return found


def hook(body: dict[str, Any]) -> str:
    """When Helm makes the object, if it is a hook; else empty."""
    return str(body["metadata"].get("annotations", {}).get("helm.sh/hook", ""))


def program(name: str) -> Path:
    """A program of the local cluster's; where it cannot be had: skip, in CI failure."""
    found = programs.find(name)
    if found is None:
        why = f"{name} is not on this machine; `make test` builds it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return found


def value_files() -> Sequence[Path]:
    """The values of the chart's `ci` folder, which cover all values together."""
    return sorted(VALUES.glob(f"*{SUFFIX}.yaml"))


def values(name: str) -> Path:
    """One of these files by its name."""
    return VALUES / f"{name}{SUFFIX}.yaml"


def name_of(file: Path) -> str:
    """What one of these files is called."""
    return file.stem.removesuffix(SUFFIX)
