"""The container engine's client: the few questions and orders the local cluster has for Docker."""

from __future__ import annotations

import functools
import json
import subprocess
from typing import TYPE_CHECKING, Any

from speechlocal.containers import command
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

ANSWER_WITHIN_S = 20.0


def docker(*arguments: str, stdin: str = "", timeout_s: float | None = None) -> str:
    """Run `docker ARGUMENTS` and return its output; raises LocalError as `command.run` does."""
    return command.run(["docker", *arguments], stdin=stdin, timeout_s=timeout_s)


def answers() -> bool:
    """Tell whether an engine answers this user."""
    return command.succeeds(["docker", "version", "--format", "{{.Server.Version}}"], timeout_s=ANSWER_WITHIN_S)


def has_image(tag: str) -> bool:
    """Tell whether the engine keeps an image of this tag."""
    return command.succeeds(["docker", "image", "inspect", tag])


def image_id(tag: str) -> str:
    """Return an image's id (`sha256:...`), the same for the same content; raise LocalError when it is not there."""
    return docker("image", "inspect", "--format", "{{.Id}}", tag)


def forget_others(tag: str) -> None:
    """Remove the images that have another tag of the same name: versions that this one replaced; used ones stay."""
    name, _, kept = tag.rpartition(":")
    for other in docker("image", "ls", "--format", "{{.Tag}}", name).split():
        if other not in (kept, "<none>"):
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
    target: str = "",
    say: Callable[[str], None] = lambda _line: None,
) -> None:
    """Build an image from a folder, with BuildKit where the client has it.

    Args:
        folder: the build's context.
        tag: the image's name.
        dockerfile: when it is not the one in `folder`.
        arguments: the values of ARG lines.
        target: the stage to stop at.
        say: called with each line of the build's output.

    Raises:
        LocalError: the build failed; the end of its output is in the message.
    """
    options = [f"--build-arg={name}={value}" for name, value in (arguments or {}).items()]
    if dockerfile:
        options.append(f"--file={dockerfile}")
    if target:
        options.append(f"--target={target}")
    command.run(
        ["docker", "build", "--tag", tag, *options, folder],
        environment=builder_environment(),
        say=say,
    )


def import_tar(tar: Sequence[str], tag: str, changes: Sequence[str] = ()) -> None:
    """Make an image of one layer from what `tar TAR...` writes.

    Args:
        tar: options and names for tar, which creates the archive.
        tag: the image's name.
        changes: lines of a Dockerfile to apply, such as `ENV A=b`.

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
        said = (packing.stderr.read() if packing.stderr else b"").decode(errors="replace")
    if done.returncode or packing.returncode:
        raise LocalError(f"the image {tag} could not be made: {(said + done.stderr).strip()[-1000:]}")


@functools.cache
def builder_environment() -> dict[str, str]:
    """Return the variables that choose the builder: the legacy one where the client lacks buildx (Debian's does)."""
    buildx = command.succeeds(["docker", "buildx", "version"])
    return {"DOCKER_BUILDKIT": "1" if buildx else "0"}
