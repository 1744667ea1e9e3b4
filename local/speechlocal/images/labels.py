"""Labels of an image that depend on the build: its base, and for a release the commit and where that is published.

Names: https://github.com/opencontainers/image-spec/blob/main/annotations.md. The other labels are in the Dockerfiles.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from speechcli.errors import UsageError
from speechlocal.containers import command
from speechlocal.errors import LocalError

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "org.opencontainers.image."

_SCP_LIKE = re.compile(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)")
"""`git@example.com:team/speechpipeline.git`, one of the forms in `git help fetch`."""


def of_base(reference: str, identity: str) -> dict[str, str]:
    """Return the labels that name the base.

    Args:
        reference: The base as the Dockerfile takes it.
        identity: The id that the engine gives it, if the reference has no digest: of an image that was never pushed.
    """
    name, _, digest = reference.partition("@")
    return {f"{PREFIX}base.name": name, f"{PREFIX}base.digest": digest or identity}


def of_release(repository: Path) -> dict[str, str]:
    """Return the labels of images built from the current commit: revision, time and, if it has a remote, source.

    The time is that of the commit, so that a second build makes the same image.

    Raises:
        UsageError: There are changes that are not in the commit.
        LocalError: This is not a clone of the repository.
    """
    git = ("git", "-C", str(repository))
    if changed := command.run([*git, "status", "--porcelain"]):
        listed = ", ".join(line.split(maxsplit=1)[1] for line in changed.splitlines()[:3])
        raise UsageError(f"a release is built from a commit, but {listed} changed", "commit or stash the changes")
    revision, created = command.run([*git, "show", "--no-patch", "--format=%H %cI", "HEAD"]).split()
    try:
        source = web_address(command.run([*git, "remote", "get-url", "origin"]))
    except LocalError:
        source = ""
    labels = {"revision": revision, "created": created, **({"source": source} if source else {})}
    return {f"{PREFIX}{name}": value for name, value in labels.items()}


def web_address(remote: str) -> str:
    """Return the URL of a remote for a browser, without user and password; empty for a folder."""
    if scp_like := _SCP_LIKE.fullmatch(remote):
        host, path = scp_like.groups()
    else:
        parts = urlsplit(remote)
        if parts.scheme not in {"http", "https", "ssh", "git"} or not parts.hostname:
            return ""
        host, path = parts.hostname, parts.path
        if parts.port and parts.scheme in {"http", "https"}:
            host = f"{host}:{parts.port}"
    return f"https://{host}/{path.strip('/').removesuffix('.git')}"
