"""The images in the nodes of a kind cluster: which are present, and copying missing ones.

kind's own `load docker-image` writes a temporary file for each image and node, and copies all images where a node has
no crictl. Here one archive is streamed, so that layers shared by several images are copied once.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from speechlocal.containers import docker
from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechlocal.progress import Report

CLUSTER_LABEL = "io.x-k8s.kind.cluster"
NAMESPACE = "k8s.io"  # of containerd, as kubelet uses it
SHOWN_CHARACTERS = 1500


def load(cluster: str, tags: Sequence[str], report: Report) -> list[str]:
    """Copy the engine's images into each node of a cluster that lacks them; return the tags of those copied.

    Raises:
        MissingError: the cluster does not run.
        LocalError: the engine lacks an image, or copying failed.
    """
    nodes = nodes_of(cluster)
    if not nodes:
        raise MissingError(f"there is no running kind cluster {cluster}", "`make cluster` starts one")
    wanted = {tag: docker.image_id(tag) for tag in tags}
    copied = set[str]()
    for node in nodes:
        missing = [tag for tag, identity in wanted.items() if identity not in identities(node, tag)]
        if missing:
            report(f"copying to {node}: {', '.join(missing)}")
            copy(node, missing)
        copied.update(missing)
    return [tag for tag in tags if tag in copied]


def nodes_of(cluster: str) -> list[str]:
    """Return the container names of a cluster's running nodes."""
    label = f"label={CLUSTER_LABEL}={cluster}"
    return docker.docker("ps", "--filter", label, "--format", "{{.Names}}").split()


def identities(node: str, tag: str) -> set[str]:
    """Return the ids that Docker may have for the image that a node has under `tag`; empty if it has none.

    Docker's id is the digest of the image's configuration or, with containerd's image store, of its manifest.
    """
    listed = _ctr(node, "images", "ls", f"name=={reference(tag)}")
    rows = [line.split() for line in listed.splitlines()[1:]]
    manifests = [row[2] for row in rows if row]
    known = set(manifests)
    for manifest in manifests:
        known.add(json.loads(_ctr(node, "content", "get", manifest)).get("config", {}).get("digest", ""))
    return known


def reference(tag: str) -> str:
    """Return the full name that containerd has for a Docker image."""
    first, slash, _ = tag.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return tag
    return f"docker.io/{tag if slash else f'library/{tag}'}"


def copy(node: str, tags: Sequence[str]) -> None:
    """Stream images from the engine into a node; raise LocalError if either side fails."""
    importing = ("ctr", "--namespace", NAMESPACE, "images", "import", "--all-platforms", "--digests", "-")
    with subprocess.Popen(["docker", "save", *tags], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as saving:
        done = subprocess.run(
            ["docker", "exec", "--interactive", node, *importing],
            stdin=saving.stdout,
            check=False,
            capture_output=True,
            text=True,
        )
        errors = (saving.stderr.read() if saving.stderr else b"").decode(errors="replace")
    if done.returncode or saving.returncode:
        raise LocalError(f"images could not be copied to {node}: {(errors + done.stderr).strip()[-SHOWN_CHARACTERS:]}")


def _ctr(node: str, *arguments: str) -> str:
    return docker.docker("exec", node, "ctr", "--namespace", NAMESPACE, *arguments)
