"""The wrapper of runc where root lacks a capability: what it requests of the real one, which a script stands for."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from speechlocal import paths

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

WRAPPER = paths.CONTAINER_RUNTIME
ALL, LACKING = "000001ffffffffff", "000001fffeffffff"
ASKED = ["CAP_SYS_ADMIN", "CAP_SYS_RESOURCE", "CAP_NET_ADMIN"]


def run(folder: Path, bounding: str, *arguments: str) -> list[str]:
    """Run the wrapper where the bounding set is `bounding`; return the arguments that the real runc was given."""
    real, status = folder / "real", folder / "status"
    real.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/given\n')
    real.chmod(0o755)
    status.write_text(f"Name:\tsh\nCapBnd:\t{bounding}\n")
    text = WRAPPER.read_text().replace("/usr/sbin/runc", str(real)).replace("/proc/self/status", str(status))
    (folder / "runc").write_text(text)
    subprocess.run(["sh", folder / "runc", *arguments], check=True)
    return (folder / "given").read_text().splitlines()


def compact(content: dict[str, object]) -> str:
    """Return JSON as containerd and Docker write it."""
    return json.dumps(content, separators=(",", ":"))


def bundle(folder: Path) -> Path:
    (folder / "config.json").write_text(compact({"process": {"capabilities": {"bounding": ASKED}}}))
    return folder / "config.json"


def bounding(config: Path) -> list[str]:
    content: list[str] = json.loads(config.read_text())["process"]["capabilities"]["bounding"]
    return content


def test_a_capability_that_the_machine_lacks_is_not_requested(tmp_path: Path) -> None:
    config = bundle(tmp_path)
    arguments = ["--root", "/run/x", "create", "--bundle", str(tmp_path), "name"]

    assert run(tmp_path, LACKING, *arguments) == arguments
    assert bounding(config) == ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]


def test_a_capability_that_the_machine_has_is_requested(tmp_path: Path) -> None:
    config = bundle(tmp_path)
    run(tmp_path, ALL, "create", "--bundle", str(tmp_path), "name")

    assert bounding(config) == ASKED


def test_exec_drops_the_capability_as_well(tmp_path: Path) -> None:
    process = tmp_path / "process.json"
    process.write_text(compact({"capabilities": {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"]}}))
    run(tmp_path, LACKING, "exec", f"--process={process}", "name")

    assert json.loads(process.read_text()) == {"capabilities": {"bounding": ["CAP_CHOWN"]}}


def test_other_commands_are_unchanged(tmp_path: Path) -> None:
    assert run(tmp_path, LACKING, "state", "create") == ["state", "create"]
