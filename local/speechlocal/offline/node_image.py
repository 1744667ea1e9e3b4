"""A kind node image made from Go modules and Debian packages alone, where the published one cannot be pulled.

A node is a container with systemd, containerd, kubelet and the images of its control plane. This one has the images of
the cluster's add-ons too, so that they need not be copied into each new cluster.
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
from speechlocal.offline import base_image, go_programs, golang, kubernetes_images
from speechlocal.offline.kubernetes_images import NODE_FILES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speechlocal.progress import Report

IMAGE_PLACEHOLDER = "NETWORK_POLICIES_IMAGE"
NODE_PROGRAMS = ("kubeadm", "kubectl", "kubelet")
KIND_SOURCE = f"sigs.k8s.io/kind@{versions.KIND}"


def tag(extra_images: Sequence[str]) -> str:
    """Return the name of the node image, which changes with everything it is made of."""
    digest = hashlib.sha256()
    for path in sorted(NODE_FILES.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    made_of = (base_image.local_tag(), versions.KIND, *kubernetes_images.tags(), *extra_images)
    digest.update("\n".join(made_of).encode())
    return f"{docker.NAMESPACE}/node:{versions.KUBERNETES}-{digest.hexdigest()[:12]}"


def ensure(extra_images: Sequence[str], report: Report) -> str:
    """Return the name of the node image, after making it if it is missing.

    Args:
        extra_images: further images that the node has; they must be in the engine.
        report: called with a line of progress.

    Raises:
        LocalError: a step failed.
    """
    wanted = tag(extra_images)
    if not docker.has_image(wanted):
        images = kubernetes_images.ensure(report)
        check_complete(images)
        report("the node itself: Debian packages, kind's files")
        empty = wanted.replace("/node:", "/node-empty:")
        with tempfile.TemporaryDirectory(prefix="node-", dir=paths.cache()) as folder:
            write_files(Path(folder) / "root")
            arguments = {"BASE": base_image.local_tag()}
            docker.build(Path(folder), empty, dockerfile=NODE_FILES / "Dockerfile", arguments=arguments, report=report)
        report(f"importing {len(images) + len(extra_images)} images into it")
        import_images(empty, [*images, *extra_images], wanted)
        docker.remove_other_tags(empty)
        docker.remove_other_tags(wanted)
    return wanted


def check_complete(images: Sequence[str]) -> None:
    """Raise LocalError when kubeadm needs an image that is not among these."""
    kubeadm = go_programs.ensure(["kubeadm"])["kubeadm"]
    listed = command.run([kubeadm, "config", "images", "list", "--kubernetes-version", versions.KUBERNETES])
    if missing := set(listed.split()) - set(images):
        raise LocalError(f"kubeadm {versions.KUBERNETES} needs images that are not built here: {sorted(missing)}")


def write_files(root: Path) -> None:
    """Write the node's files that do not come from Debian into the folder `root`."""
    kind = golang.downloaded(KIND_SOURCE)
    shutil.copytree(kind / "images/base/files", root, copy_function=shutil.copyfile)
    for path in root.rglob("*"):  # the files of a Go module are read-only and not executable
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    shutil.rmtree(root / "LICENSES")
    (root / "etc/systemd/system/containerd-fuse-overlayfs.service").unlink()
    config = root / "etc/containerd/config.toml"
    config.write_text(containerd_config(config.read_text()))
    copy(NODE_FILES / "pod-network.conflist", root / "etc/cni/net.d/10-ptp.conflist")
    copy(NODE_FILES / "guard-network.service", root / "etc/systemd/system/guard-network.service")
    for name in ("guard-network", "import-images", "runc"):
        copy(NODE_FILES / name, root / "usr/local/sbin" / name, 0o755)
    for name, program in go_programs.ensure(NODE_PROGRAMS).items():
        copy(program, root / "usr/bin" / name, 0o755)
    source = (kind / "pkg/build/nodeimage/const_storage.go").read_text()
    manifests = root / "kind" / "manifests"
    manifests.mkdir(parents=True)
    (manifests / "default-storage.yaml").write_text(storage_manifest(source))
    (manifests / "default-cni.yaml").write_text(cni_manifest())
    (root / "kind/version").write_text(versions.KUBERNETES)


def containerd_config(original: str) -> str:
    """Return kind's configuration of containerd with the pause image made here.

    It also works without CAP_SYS_RESOURCE, where the OOM score of a process cannot be lowered.
    """
    limited = original.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    return re.sub(r"registry\.k8s\.io/pause:[0-9.]+", kubernetes_images.PAUSE, limited)


def storage_manifest(go_source: str) -> str:
    """Return the manifest of the default StorageClass from kind's source, with the images made here."""
    found = re.search(r"const defaultStorageManifest = `(.*)`", go_source, re.DOTALL)
    if found is None:
        raise LocalError("kind's source has no storage manifest in the expected place", f"see {KIND_SOURCE}")
    provisioner, helper = kubernetes_images.LOCAL_PATH_PROVISIONER, kubernetes_images.SHELL
    return (
        found[1].replace("` + storageProvisionerImage + `", provisioner).replace("` + storageHelperImage + `", helper)
    )


def cni_manifest() -> str:
    """Return the manifest that kind applies as the pod network, with the image made here."""
    return (NODE_FILES / "default-cni.yaml").read_text().replace(IMAGE_PLACEHOLDER, kubernetes_images.NETWORK_POLICIES)


def import_images(node: str, images: Sequence[str], wanted: str) -> None:
    """Import images into the containerd of the image `node`, and commit the result as `wanted`."""
    name = f"speechpipeline-node-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    docker.docker("rm", "--force", "--volumes", name)
    run = ["docker", "run", "--interactive", "--name", name, "--security-opt", "seccomp=unconfined"]
    try:
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            importing = subprocess.run(
                [*run, "--entrypoint", "/usr/local/sbin/import-images", node],
                stdin=saving.stdout,
                check=False,
                capture_output=True,
                text=True,
            )
        if importing.returncode or saving.returncode:
            raise LocalError(f"the images could not be imported into the node: {importing.stderr.strip()[-1000:]}")
        entry = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
        docker.docker("commit", "--change", entry, "--change", "CMD []", name, wanted)
    finally:
        docker.docker("rm", "--force", "--volumes", name)


def copy(source: Path, target: Path, mode: int = 0o644) -> None:
    """Copy a file, creating the folders it goes into."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
