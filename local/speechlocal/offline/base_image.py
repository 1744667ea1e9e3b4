"""The Debian image that all others are built on: the published one, or one made here from Debian's packages."""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import locks, paths, versions
from speechlocal.containers import command, docker, published
from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from speechlocal.progress import Report

REVISION = "3"  # to be raised with each change of what is made below: a part of the cache key
FIELDS = 3  # of a line of `apt-get indextargets`, with the format used below
# The machine's certificates in the image; installing ca-certificates would overwrite the usual file.
CERTIFICATES = "etc/ssl/host-ca.crt"
# Not needed in a container, and left out of the published image too: 30 MB here, and more with each package on top.
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
PACKAGE_CACHES = ("/var/cache/apt/*", "/var/lib/apt/lists/*")


def tag() -> str:
    """Return the name of the base image; nothing is built."""
    return published.image("debian") or local_tag()


def local_tag() -> str:
    """Return the name of the image made here, which changes with its revision and with its certificates."""
    digest = hashlib.sha256(REVISION.encode() + certificates())
    return f"{docker.NAMESPACE}/debian:{versions.DEBIAN}-{digest.hexdigest()[:12]}"


def ensure(report: Report) -> str:
    """Return the name of the base image, after making it where it cannot be pulled and is missing.

    The image is saved in the cache too. A new or pruned engine loads it from there in seconds, with the same id, so
    that the builder's cache stays valid. Another process that makes it at the same time is waited for.

    Raises:
        MissingError: it must be made, and debootstrap is missing or this user is not root.
        LocalError: making it failed.
    """
    if found := published.image("debian"):
        return found
    wanted = local_tag()
    if docker.has_image(wanted):
        return wanted
    saved = paths.cache() / f"{wanted.replace('/', '-').replace(':', '-')}.tar"
    with locks.held(saved.with_suffix(".lock"), lambda: report("waiting for another process that builds it")):
        if docker.has_image(wanted):
            return wanted
        if saved.is_file():
            docker.docker("load", "--input", str(saved))
            return wanted
        make(wanted, report)
        unfinished = saved.with_suffix(".unfinished")
        docker.docker("save", "--output", str(unfinished), wanted)
        unfinished.replace(saved)
    return wanted


def make(wanted: str, report: Report) -> None:
    """Make the image with debootstrap; it trusts this machine's certificates, to reach a package index in a build."""
    if os.geteuid() != 0:
        raise MissingError(
            f"no container registry answers; only root can build {published.IMAGES['debian']} from Debian's packages",
            "connect to the internet, or run this as root on Debian",
        )
    paths.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debian-", dir=paths.cache()) as folder:
        root = Path(folder)
        archives = machine_sources()
        command.run(
            ["debootstrap", "--variant=minbase", versions.DEBIAN, root, *(archive.address for archive in archives[:1])],
            report=lambda line: report(line.removeprefix("I: ")),
            advice="apt-get install debootstrap",
        )
        (root / CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
        (root / CERTIFICATES).write_bytes(certificates())
        if archives:
            (root / "etc/apt/sources.list").write_text("".join(map(str, archives)))
        (root / "etc/apt/apt.conf.d/speechpipeline").write_text('APT::Install-Recommends "false";\n')
        (root / "etc/dpkg/dpkg.cfg.d/speechpipeline").write_text("".join(f"path-exclude {path}\n" for path in EXCLUDED))
        report("importing it")
        changes = ['CMD ["/bin/bash"]', *(f"ENV {name}=/{CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT"))]
        docker.import_tar(tar_arguments(root), wanted, changes)


def tar_arguments(root: Path) -> list[str]:
    """Return tar's arguments for the files of the image, with names that begin with "./"."""
    excluded = (f"--exclude=.{pattern}" for pattern in (*EXCLUDED, *PACKAGE_CACHES))
    return ["--directory", str(root), "--numeric-owner", "--anchored", *excluded, "."]


@dataclass(frozen=True)
class Source:
    """An archive of Debian packages, as a line of sources.list."""

    address: str
    release: str
    component: str

    def __str__(self) -> str:
        return f"deb {self.address} {self.release} {self.component}\n"


def sources(index_targets: str) -> list[Source]:
    """Return the archives of this release in the output of `apt-get indextargets`, the release itself first."""
    listed = [Source(*line.split()) for line in index_targets.splitlines() if len(line.split()) == FIELDS]
    usable = {
        source
        for source in listed
        if source.release.partition("-")[0] == versions.DEBIAN and source.address.startswith("http:")
    }
    return sorted(usable, key=lambda source: (source.release != versions.DEBIAN, source.release))


def machine_sources() -> list[Source]:
    """Return the archives this machine gets Debian packages from; none if it runs another release or has no apt."""
    listing = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    try:
        return sources(command.run(listing))
    except LocalError:
        return []


def certificates() -> bytes:
    """Return the certificates that this machine trusts, in PEM."""
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return Path(bundle).read_bytes() if bundle and Path(bundle).is_file() else b""
