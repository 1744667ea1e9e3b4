"""A kind node image, made from Go modules and Debian packages alone, for where the published one cannot be pulled.

A node is a container with systemd, containerd and kubelet that brings the images of its control plane with it. This one
brings those of the cluster's parts too, so that they need not be copied into each new cluster.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import paths, versions
from speechlocal.containers import command, docker
from speechlocal.errors import LocalError
from speechlocal.offline import base_image, golang, kubernetes_images, tools

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

RECIPE = paths.REPOSITORY / "local" / "offline" / "node"
IN_THE_NODE = ("kubeadm", "kubectl", "kubelet")
KIND_SOURCE = f"sigs.k8s.io/kind@{versions.KIND}"
SECONDS = 80  # with all programs built


def tag(extra_images: Sequence[str]) -> str:
    """Return the name of the image made here, which changes with everything it is made of."""
    digest = hashlib.sha256()
    for path in sorted(RECIPE.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    made_of = (base_image.local_tag(), versions.KIND, *kubernetes_images.tags(), *extra_images)
    digest.update("\n".join(made_of).encode())
    return f"speechpipeline/node:{versions.KUBERNETES}-{digest.hexdigest()[:12]}"


def ensure(extra_images: Sequence[str], say: Callable[[str], None]) -> str:
    """Return the name of the image made here, after making it when it is not there.

    Args:
        extra_images: further images the node shall have; they are there already.
        say: called with a short text now and then.

    Raises:
        LocalError: a step failed.
    """
    wanted = tag(extra_images)
    if not docker.has_image(wanted):
        images = kubernetes_images.ensure(say)
        check_complete(images)
        say("the node itself: Debian packages, kind's files")
        node = wanted.replace("/node:", "/node-empty:")
        with tempfile.TemporaryDirectory(prefix="node-", dir=paths.cache()) as folder:
            assemble(Path(folder) / "root")
            arguments = {"BASE": base_image.local_tag()}
            docker.build(Path(folder), node, dockerfile=RECIPE / "Dockerfile", arguments=arguments, say=say)
        say(f"giving it {len(images) + len(extra_images)} images")
        fill(node, [*images, *extra_images], wanted)
        docker.forget_others(node)
        docker.forget_others(wanted)
    return wanted


def check_complete(images: Sequence[str]) -> None:
    """Raise LocalError when kubeadm would ask for an image that is not among these."""
    kubeadm = tools.ensure("kubeadm")
    listed = command.run([kubeadm, "config", "images", "list", "--kubernetes-version", versions.KUBERNETES])
    if lacking := set(listed.split()) - set(images):
        raise LocalError(f"kubeadm {versions.KUBERNETES} asks for images that are not made here: {sorted(lacking)}")


def assemble(root: Path) -> None:
    """Write the files of the node that are not Debian's into the folder `root`."""
    kind = golang.downloaded(KIND_SOURCE)
    shutil.copytree(kind / "images/base/files", root, copy_function=shutil.copyfile)
    for path in root.rglob("*"):  # a module's files come read-only and without run bits
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    shutil.rmtree(root / "LICENSES")
    (root / "etc/systemd/system/containerd-fuse-overlayfs.service").unlink()
    config = root / "etc/containerd/config.toml"
    config.write_text(adapted(config.read_text()))
    put(RECIPE / "pod-network.conflist", root / "etc/cni/net.d/10-ptp.conflist")
    put(RECIPE / "default-cni.yaml", root / "kind/manifests/default-cni.yaml")
    put(RECIPE / "guard-network.service", root / "etc/systemd/system/guard-network.service")
    for name in ("guard-network", "import-images", "runc"):
        put(RECIPE / name, root / "usr/local/sbin" / name, 0o755)
    for name in IN_THE_NODE:
        put(tools.ensure(name), root / "usr/bin" / name, 0o755)
    source = (kind / "pkg/build/nodeimage/const_storage.go").read_text()
    (root / "kind/manifests/default-storage.yaml").write_text(storage_manifest(source))
    (root / "kind/version").write_text(versions.KUBERNETES)


def adapted(containerd_config: str) -> str:
    """Return kind's configuration of containerd with our pause image, and fit for a machine with fewer rights.

    Without CAP_SYS_RESOURCE a process cannot be made less likely to be killed when memory runs out.
    """
    limited = containerd_config.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    return re.sub(r"registry\.k8s\.io/pause:[0-9.]+", kubernetes_images.PAUSE, limited)


def storage_manifest(go_source: str) -> str:
    """Return kind's manifest of the default StorageClass, taken from its source, with the images made here."""
    found = re.search(r"const defaultStorageManifest = `(.*)`", go_source, re.DOTALL)
    if found is None:
        raise LocalError("kind's source has no manifest for storage where it used to be", f"see {KIND_SOURCE}")
    provisioner, helper = kubernetes_images.LOCAL_PATH_PROVISIONER, kubernetes_images.SHELL
    return (
        found[1].replace("` + storageProvisionerImage + `", provisioner).replace("` + storageHelperImage + `", helper)
    )


def fill(node: str, images: Sequence[str], wanted: str) -> None:
    """Put images into the containerd of the image `node` and keep the result as `wanted`."""
    name = f"speechpipeline-node-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    docker.docker("rm", "--force", "--volumes", name)
    run = ["docker", "run", "--interactive", "--name", name, "--security-opt", "seccomp=unconfined"]
    try:
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            filling = subprocess.run(
                [*run, "--entrypoint", "/usr/local/sbin/import-images", node],
                stdin=saving.stdout,
                check=False,
                capture_output=True,
                text=True,
            )
        if filling.returncode or saving.returncode:
            raise LocalError(f"the node could not be given its images: {filling.stderr.strip()[-1000:]}")
        entry = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        docker.docker("commit", "--change", entry, "--change", "CMD []", name, wanted)
    finally:
        docker.docker("rm", "--force", "--volumes", name)


def put(source: Path, target: Path, mode: int = 0o644) -> None:
    """Copy a file, with its folders made where needed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
