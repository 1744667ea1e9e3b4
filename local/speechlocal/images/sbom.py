"""The software bill of materials of an image: its Debian packages and Python distributions, as CycloneDX 1.6.

Source of the format: https://cyclonedx.org/specification/overview/; of the package URLs: https://github.com/package-url.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from speechlocal import versions
from speechlocal.containers import docker
from speechlocal.images.labels import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from speechlocal.images.building import Built

_DPKG = ("--entrypoint=dpkg-query", "--show", "--showformat=${Package}\\t${Version}\\t${Architecture}\\n")
_PYTHON = """
import importlib.metadata, json, os, sys
def license_of(meta):
    return meta.get("License-Expression") or next(
        (one.rpartition(" :: ")[2] for one in meta.get_all("Classifier", []) if one.startswith("License ::")), "")
folders = [*sys.path, *filter(os.path.isdir, ["/opt/cuda"])]
found = {(one.name, one.version): license_of(one.metadata) for one in importlib.metadata.distributions(path=folders)}
print(json.dumps([[name, version, license] for (name, version), license in sorted(found.items())]))
"""
"""Run in an image: its distributions, also those of the CUDA libraries, which are not on the path of Python."""


@dataclass(frozen=True)
class Package:
    """A part of an image.

    Attributes:
        type: Of the package URL: deb or pypi.
        name: Its name.
        version: Its version.
        license: As its metadata says, empty if they do not.
        qualifiers: Of the package URL.
    """

    type: str
    name: str
    version: str
    license: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()

    @property
    def url(self) -> PackageURL:
        """The package URL."""
        namespace = "debian" if self.type == "deb" else None
        return PackageURL(self.type, namespace, self.name, self.version, dict(self.qualifiers))


def write(built: Iterable[Built], folder: Path) -> list[Path]:
    """Write one document for each image into a folder, which is created; return their paths.

    Raises:
        LocalError: An image could not be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for one in built:
        path = folder / f"{one.image.name}.cdx.json"
        path.write_text(document(one.tag, one.id, labels(one.tag), contents(one.tag)), encoding="utf-8")
        written.append(path)
    return written


def contents(tag: str) -> list[Package]:
    """Return the packages in an image.

    Raises:
        LocalError: It could not be read.
    """
    debian = debian_packages(_run(tag, *_DPKG))
    has_python = any(one.name == "python3" for one in debian)
    return debian + (distributions(_run(tag, "--entrypoint=python3", "-c", _PYTHON)) if has_python else [])


def debian_packages(listed: str) -> list[Package]:
    """Return the packages in the output of dpkg-query."""
    rows = [line.split("\t") for line in listed.splitlines()]
    return [
        Package("deb", name, version, qualifiers=(("arch", architecture), ("distro", versions.DEBIAN)))
        for name, version, architecture in rows
    ]


def distributions(listed: str) -> list[Package]:
    """Return the Python distributions that `_PYTHON` printed."""
    return [Package("pypi", name, version, named) for name, version, named in json.loads(listed)]


def labels(tag: str) -> dict[str, str]:
    """Return the labels of an image."""
    found: dict[str, str] = json.loads(docker.docker("image", "inspect", "--format", "{{json .Config.Labels}}", tag))
    return found or {}


def document(tag: str, identity: str, described: Mapping[str, str], packages: Iterable[Package]) -> str:
    """Return the document as JSON.

    Args:
        tag: Name and version of the image.
        identity: Its id.
        described: Its labels.
        packages: What is in it.
    """
    name, _, version = tag.rpartition(":")
    licenses = LicenseFactory()
    known = {"image:id": identity, **{f"image:label:{key}": value for key, value in described.items()}}
    image = Component(
        name=name,
        version=version,
        type=ComponentType.CONTAINER,
        bom_ref=tag,
        description=described.get(f"{PREFIX}description"),
        properties=[Property(name=key, value=value) for key, value in known.items()],
    )
    parts = [
        Component(
            name=one.name,
            version=one.version,
            type=ComponentType.LIBRARY,
            bom_ref=one.url.to_string(),
            purl=one.url,
            licenses=[licenses.make_from_string(one.license)] if one.license else [],
        )
        for one in packages
    ]
    bom = Bom(components=parts)
    bom.metadata.component = image
    bom.register_dependency(image, parts)
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _run(tag: str, entrypoint: str, *arguments: str) -> str:
    return docker.docker("run", "--rm", "--network=none", "--read-only", entrypoint, tag, *arguments)
