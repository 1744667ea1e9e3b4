"""The client of the container engine: the Docker commands that this project uses."""

from __future__ import annotations

import functools
import json
import subprocess
from typing import TYPE_CHECKING, Any

from speechlocal.containers import command
from speechlocal.errors import LocalError
from speechlocal.progress import silent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from speechlocal.progress import Report

ANSWER_WITHIN_S = 20.0
NAMESPACE = "speechpipeline"
"""The first part of the name of every image that is built here."""


def docker(*arguments: str, stdin: str = "", timeout_s: float | None = None) -> str:
    """Run `docker ARGUMENTS` and return its output; raise LocalError as `command.run` does."""
    return command.run(["docker", *arguments], stdin=stdin, timeout_s=timeout_s)


def answers() -> bool:
    """Return whether an engine answers this user."""
    return command.succeeds(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=ANSWER_WITHIN_S)


def has_image(tag: str) -> bool:
    """Return whether the engine has an image of this tag."""
    return command.succeeds(["docker", "image", "inspect", tag])


def image_id(tag: str) -> str:
    """Return an image's id (`sha256:...`), the same for the same content; raise LocalError when there is none."""
    return docker("image", "inspect", "--format", "{{.Id}}", tag)


def remove_other_tags(tag: str) -> None:
    """Remove the images with another tag of the same name, which this one replaces; images in use stay."""
    name, _, current = tag.rpartition(":")
    for other in docker("image", "ls", "--format", "{{.Tag}}", name).split():
        if other not in (current, "<none>"):
            command.succeeds(["docker", "image", "rm", f"{name}:{other}"])


def container(name: str) -> dict[str, Any] | None:
    """Return `docker inspect` of a container, or None when there is none."""
    try:
        found: list[dict[str, Any]] = json.loads(docker("container", "inspect", name))
    except LocalError:
        return None
    return found[0]


def build(
    folder: Path,
    tag: str,
    *,
    dockerfile: Path | None = None,
    arguments: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    target: str = "",
    report: Report = silent,
) -> None:
    """Build an image from a folder, with BuildKit if the client supports it.

    Args:
        folder: the build context.
        tag: the image's name.
        dockerfile: if it is not the one in `folder`.
        arguments: values of ARG lines.
        labels: added to those in the Dockerfile.
        target: the stage to stop at.
        report: called with each line of the build's output.

    Raises:
        LocalError: the build failed; the message has the end of its output.
    """
    options = [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
    options += [f"--label={name}={value}" for name, value in (labels or {}).items()]
    if dockerfile:
        options.append(f"--file={dockerfile}")
    if target:
        options.append(f"--target={target}")
    command.run(
        ["docker", "build", "--tag", tag, *options, folder],
        environment=builder_environment(),
        report=report,
    )


def import_tar(tar: Sequence[str], tag: str, changes: Sequence[str] = ()) -> None:
    """Make an image of one layer from the archive that `tar --create TAR...` writes.

    Args:
        tar: options and file names for tar.
        tag: the image's name.
        changes: Dockerfile instructions to apply, such as `ENV A=b`.

    Raises:
        LocalError: tar or the engine failed.
    """
    with subprocess.Popen(["tar", "--create", *tar], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as packing:
        done = subprocess.run(
            ["docker", "import", *(f"--change={change}" for change in changes), "-", tag],
            stdin=packing.stdout,
            check=False,
            capture_output=True,
            text=True,
        )
        errors = (packing.stderr.read() if packing.stderr else b"").decode(errors="replace")
    if done.returncode or packing.returncode:
        raise LocalError(f"the image {tag} could not be created: {(errors + done.stderr).strip()[-1000:]}")


@functools.cache
def builder_environment() -> dict[str, str]:
    """Return the variables that select the builder: the legacy one if the client lacks buildx, as on Debian."""
    buildx = command.succeeds(["docker", "buildx", "version"])
    return {"DOCKER_BUILDKIT": "1" if buildx else "0"}
