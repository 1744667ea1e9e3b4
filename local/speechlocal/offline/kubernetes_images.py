"""The images that kubeadm, kind's default StorageClass and the pod network ask for, made from programs built here."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import paths, versions
from speechlocal.containers import command, docker
from speechlocal.offline import base_image, go_programs, golang

if TYPE_CHECKING:
    from speechlocal.progress import Report

NODE_FILES = paths.OFFLINE / "node"
REGISTRY = "registry.k8s.io"  # part of the names only: nothing is pulled from there
PAUSE = f"{REGISTRY}/pause:{versions.PAUSE}"
KUBE_PROXY = f"{REGISTRY}/kube-proxy:{versions.KUBERNETES}"
NETWORK_POLICIES = f"localhost/kube-network-policies:{versions.KUBE_NETWORK_POLICIES}"
LOCAL_PATH_PROVISIONER = f"localhost/local-path-provisioner:{versions.LOCAL_PATH_PROVISIONER}"
SHELL = "localhost/shell:1"
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")

# tag: the program in it
SINGLE_PROGRAMS = {
    **{f"{REGISTRY}/{name}:{versions.KUBERNETES}": name for name in CONTROL_PLANE},
    f"{REGISTRY}/etcd:{versions.ETCD.removeprefix('v')}-0": "etcd",
    f"{REGISTRY}/coredns/coredns:{versions.COREDNS}": "coredns",
    NETWORK_POLICIES: "kube-network-policies",
    LOCAL_PATH_PROVISIONER: "local-path-provisioner",
}
DOCKERFILES = {KUBE_PROXY: NODE_FILES / "kube-proxy.Dockerfile", SHELL: NODE_FILES / "shell.Dockerfile"}
PROGRAMS = (*SINGLE_PROGRAMS.values(), "kube-proxy", "kubeadm", "kubectl", "kubelet")
"""The programs in these images and in the node."""


def tags() -> list[str]:
    """Return the names of all these images."""
    return [*SINGLE_PROGRAMS, KUBE_PROXY, PAUSE, SHELL]


def ensure(report: Report) -> list[str]:
    """Make all these images, with their programs where these are missing, and return their names.

    Raises:
        LocalError: a step failed.
    """
    built = go_programs.ensure(PROGRAMS, report)
    for tag, name in SINGLE_PROGRAMS.items():
        report(f"image {tag}")
        single_program(built[name], tag)
    report(f"image {PAUSE}")
    pause()
    with tempfile.TemporaryDirectory(prefix="image-", dir=paths.cache()) as folder:
        (Path(folder) / "kube-proxy").hardlink_to(built["kube-proxy"])
        for tag, dockerfile in DOCKERFILES.items():
            arguments = {"BASE": base_image.local_tag()}
            docker.build(Path(folder), tag, dockerfile=dockerfile, arguments=arguments, report=report)
    return tags()


def single_program(program: Path, tag: str, *, user: str = "0") -> None:
    """Make an image of one static program, which is its entry point."""
    place = "usr/local/bin"
    docker.import_tar(
        ["--directory", str(program.parent), f"--transform=s,^,{place}/,", program.name],
        tag,
        [f"ENV PATH=/{place}", f'ENTRYPOINT ["/{place}/{program.name}"]', f"USER {user}"],
    )


def pause() -> None:
    """Make the image of the program that holds a pod's namespaces, from its C source in the module of Kubernetes."""
    source = golang.downloaded(f"k8s.io/kubernetes@{versions.KUBERNETES}") / "build/pause/linux/pause.c"
    with tempfile.TemporaryDirectory(prefix="pause-") as folder:
        program = Path(folder) / "pause"
        command.run(
            ["gcc", "-Os", "-static", f"-DVERSION={versions.PAUSE}", "-o", program, source],
            advice="apt-get install gcc libc6-dev",
        )
        single_program(program, PAUSE, user="65535:65535")
