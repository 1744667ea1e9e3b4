"""The Debian image that all others are built from: the published one, or one made here from Debian's packages."""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speechlocal import locks, paths
from speechlocal.containers import command, docker, registries
from speechlocal.errors import LocalError, MissingError

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED = "debian:bookworm-slim"
SUITE = "bookworm"
RECIPE = "3"  # raise it when what is made below changes
SECONDS = 70
FIELDS = 3  # of a line of `apt-get indextargets` as it is asked below
# Where the machine's certificates lie in the image: installing ca-certificates would overwrite the usual place.
CERTIFICATES = "etc/ssl/host-ca.crt"
# What nobody reads in a container, as in the published image: 30 MB here, and more with each package on top.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
PACKAGE_CACHES = ("/var/cache/apt/*", "/var/lib/apt/lists/*")


def tag() -> str:
    """Return the base image's name here; nothing is built."""
    return PUBLISHED if registries.answer() else local_tag()


def local_tag() -> str:
    """Return the name of the image that is made here, which tells its recipe and the certificates in it."""
    digest = hashlib.sha256(RECIPE.encode() + certificates())
    return f"speechpipeline/debian:{SUITE}-{digest.hexdigest()[:12]}"


def ensure(say: Callable[[str], None]) -> str:
    """Return the base image's name, after making it where it cannot be pulled and is not there yet.

    What was made is kept in the cache as well: an engine that is new, or was emptied, has it back in seconds, with the
    same id, so that the builder's cache holds. Another process that makes it at the same time is waited for.

    Raises:
        MissingError: it must be made and debootstrap is missing, or this user is not root.
        LocalError: making it failed.
    """
    wanted = tag()
    if wanted == PUBLISHED or docker.has_image(wanted):
        return wanted
    saved = paths.cache() / f"{wanted.replace('/', '-').replace(':', '-')}.tar"
    with locks.held(saved.with_suffix(".lock"), lambda: say("waiting for another process that makes it")):
        if docker.has_image(wanted):
            return wanted
        if saved.is_file():
            docker.docker("load", "--input", str(saved))
            return wanted
        make(wanted, say)
        unfinished = saved.with_suffix(".unfinished")
        docker.docker("save", "--output", str(unfinished), wanted)
        unfinished.replace(saved)
    return wanted


def make(wanted: str, say: Callable[[str], None]) -> None:
    """Make the image from Debian's packages, with the certificates that programs in a build need to reach an index."""
    if os.geteuid() != 0:
        raise MissingError(
            f"no container registry answers, and only root can make {PUBLISHED} from Debian's packages",
            "connect to the internet, or run this as root on Debian",
        )
    paths.cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debian-", dir=paths.cache()) as folder:
        tree = Path(folder)
        archives = machine_sources()
        command.run(
            ["debootstrap", "--variant=minbase", SUITE, tree, *(archive.address for archive in archives[:1])],
            say=lambda line: say(line.removeprefix("I: ")),
            advice="apt-get install debootstrap",
        )
        (tree / CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
        (tree / CERTIFICATES).write_bytes(certificates())
        if archives:
            (tree / "etc/apt/sources.list").write_text("".join(map(str, archives)))
        (tree / "etc/apt/apt.conf.d/speechpipeline").write_text('APT::Install-Recommends "false";\n')
        (tree / "etc/dpkg/dpkg.cfg.d/speechpipeline").write_text("".join(f"path-exclude {path}\n" for path in LEFT_OUT))
        say("importing it")
        changes = ['CMD ["/bin/bash"]', *(f"ENV {name}=/{CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT"))]
        docker.import_tar(packed(tree), wanted, changes)


def packed(tree: Path) -> list[str]:
    """Return tar's arguments for what of a tree goes into the image; the names in it begin with "./"."""
    left_out = (f"--exclude=.{pattern}" for pattern in (*LEFT_OUT, *PACKAGE_CACHES))
    return ["--directory", str(tree), "--numeric-owner", "--anchored", *left_out, "."]


@dataclass(frozen=True)
class Source:
    """An archive of Debian packages, as a line of sources.list."""

    address: str
    release: str
    component: str

    def __str__(self) -> str:
        return f"deb {self.address} {self.release} {self.component}\n"


def sources(said: str) -> list[Source]:
    """Return the archives of this release from what `apt-get indextargets` said, the release itself first."""
    listed = [Source(*line.split()) for line in said.splitlines() if len(line.split()) == FIELDS]
    ours = {
        source for source in listed if source.release.partition("-")[0] == SUITE and source.address.startswith("http:")
    }
    return sorted(ours, key=lambda source: (source.release != SUITE, source.release))


def machine_sources() -> list[Source]:
    """Return where this machine has Debian's packages from; empty where it has another release or no apt."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    try:
        return sources(command.run(asked))
    except LocalError:
        return []


def certificates() -> bytes:
    """Return the certificates this machine trusts, in PEM."""
    known = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return Path(known).read_bytes() if known and Path(known).is_file() else b""
