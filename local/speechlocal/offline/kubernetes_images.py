"""The images that kubeadm and kind's default StorageClass ask for, made from programs built here."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import paths, versions
from speechlocal.containers import command, docker
from speechlocal.offline import base_image, golang, tools

if TYPE_CHECKING:
    from collections.abc import Callable

RECIPE = paths.REPOSITORY / "local" / "offline" / "node"
REGISTRY = "registry.k8s.io"  # only names: nothing is pulled from there
PAUSE = f"{REGISTRY}/pause:{versions.PAUSE}"
KUBE_PROXY = f"{REGISTRY}/kube-proxy:{versions.KUBERNETES}"
LOCAL_PATH_PROVISIONER = f"localhost/local-path-provisioner:{versions.LOCAL_PATH_PROVISIONER}"
SHELL = "localhost/shell:1"
CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")

# tag: the program in it
SINGLE_PROGRAMS = {
    **{f"{REGISTRY}/{name}:{versions.KUBERNETES}": name for name in CONTROL_PLANE},
    f"{REGISTRY}/etcd:{versions.ETCD.removeprefix('v')}-0": "etcd",
    f"{REGISTRY}/coredns/coredns:{versions.COREDNS}": "coredns",
    LOCAL_PATH_PROVISIONER: "local-path-provisioner",
}
PROGRAMS = (*SINGLE_PROGRAMS.values(), "kube-proxy", "kubeadm", "kubectl", "kubelet")


def tags() -> list[str]:
    """Return the names of all these images."""
    return [*SINGLE_PROGRAMS, KUBE_PROXY, PAUSE, SHELL]


def ensure(say: Callable[[str], None]) -> list[str]:
    """Make all these images, their programs too where they are not built yet, and return their names.

    Raises:
        LocalError: a step failed.
    """
    built = tools.ensure_all(PROGRAMS, say)
    for tag, name in SINGLE_PROGRAMS.items():
        say(f"image {tag}")
        single_program(built[name], tag)
    say(f"image {PAUSE}")
    pause()
    with tempfile.TemporaryDirectory(prefix="image-", dir=paths.cache()) as folder:
        (Path(folder) / "kube-proxy").hardlink_to(built["kube-proxy"])
        for tag in (KUBE_PROXY, SHELL):
            recipe = RECIPE / f"{'kube-proxy' if tag == KUBE_PROXY else 'shell'}.Dockerfile"
            docker.build(Path(folder), tag, dockerfile=recipe, arguments={"BASE": base_image.local_tag()}, say=say)
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
    """Compile the program that holds a pod's namespaces, from its C source in the module of Kubernetes."""
    source = golang.downloaded(f"k8s.io/kubernetes@{versions.KUBERNETES}") / "build/pause/linux/pause.c"
    with tempfile.TemporaryDirectory(prefix="pause-") as folder:
        program = Path(folder) / "pause"
        command.run(
            ["gcc", "-Os", "-static", f"-DVERSION={versions.PAUSE}", "-o", program, source],
            advice="apt-get install gcc libc6-dev",
        )
        single_program(program, PAUSE, user="65535:65535")
