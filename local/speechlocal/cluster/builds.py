"""What must be built before there can be a cluster on this machine, as jobs: only what is not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import debian, ollama, ollama_build
from speechlocal.cluster import component_images, node_image, parts, tools
from speechlocal.cluster.programs import KUBERNETES_MODULE, KUBERNETES_SECONDS, PROGRAMS
from speechlocal.containers import base_image, docker, registries
from speechlocal.images import building, catalog
from speechlocal.jobs import Job, Say

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KUBERNETES, CLIENTS, OTHERS = "Kubernetes and what runs it", "kubectl, Helm, kind", "CoreDNS, storage"
BASE, NODE = "Debian image", "node image"
TEST_PROGRAMS = "kubeconform, kwok, Compose"
OLLAMA, IMAGES = "Ollama", "images of the platform"
FROM_KUBERNETES = frozenset(program.name for program in PROGRAMS.values() if program.unit == KUBERNETES_MODULE)
FOR_NODE = frozenset(component_images.PROGRAMS)
FOR_USE = frozenset({"kind", "kubectl", "helm"})
# An API server without nodes, and what manifests, many nodes and Compose are tried with
FOR_TESTS = frozenset({"etcd", "kube-apiserver", "kube-controller-manager", "kubeconform", "kwok", "docker-compose"})
OLLAMA_SECONDS = 240  # on two cores
CLIENTS_SECONDS = 120


@dataclass(frozen=True)
class There:
    """What this machine has and has not.

    `published` tells that images can be pulled; `programs` are those that are missing; `parts` and `platform` name
    images that are missing, of the cluster's parts and of the platform.
    """

    published: bool
    programs: frozenset[str]
    base: bool
    node: bool
    parts: tuple[parts.Part, ...]
    platform: tuple[catalog.Image, ...]
    ollama: bool


def look() -> There:
    """Look at what is there; an engine must answer."""
    published = registries.answer()
    made_here = parts.made_here()
    return There(
        published=published,
        programs=missing_programs(),
        base=published or docker.has_image(base_image.tag()),
        node=published or docker.has_image(node_image.tag([part.image for part in made_here])),
        parts=tuple(part for part in made_here if not docker.has_image(part.image)),
        platform=tuple(image for image in catalog.chosen([]) if not docker.has_image(image.tag)),
        ollama=published or ollama.built().is_file(),
    )


def missing_programs() -> frozenset[str]:
    """Return the names of the programs that are neither built nor installed."""
    return frozenset(program.name for program in tools.missing(PROGRAMS))


def packages(there: There, *, platform: bool = True) -> list[debian.Package]:
    """Return the Debian packages that what is not there yet is built with; arguments as for `jobs`."""
    return [
        *(() if there.base else (debian.DEBOOTSTRAP,)),
        *(() if there.node else (debian.COMPILER,)),
        *(debian.FOR_OLLAMA if platform and not there.ollama else ()),
    ]


def jobs(there: There, *, platform: bool = True, tests: bool = False) -> list[Job]:
    """Return what is to be built, in the order in which it is best begun.

    Args:
        there: what this machine has.
        platform: with the images of the platform; looked through each time, as sources may have changed.
        tests: with the programs that only tests run.
    """
    of_parts = frozenset(part.program for part in there.parts if part.program)
    wanted = FOR_USE | of_parts | (frozenset() if there.node else FOR_NODE) | (FOR_TESTS if tests else frozenset())
    found = programs(there.programs & wanted)
    if not there.base:
        found.append(Job(BASE, base_image.ensure, seconds=base_image.SECONDS))
    if platform and not there.ollama:
        found.append(Job(OLLAMA, build_ollama, seconds=OLLAMA_SECONDS))
    images = [_part_image(part) for part in there.parts]
    found += images
    if not there.node:
        needs = (KUBERNETES, OTHERS, BASE, *(job.name for job in images))
        found.append(Job(NODE, make_node_image, needs, node_image.SECONDS))
    if platform:
        found.append(Job(IMAGES, platform_images, (BASE, OLLAMA), sum(image.seconds for image in there.platform)))
    return found


def programs(missing: frozenset[str]) -> list[Job]:
    """Return the jobs that build programs: Kubernetes' own in one go, and after it what shares packages with it."""
    kubernetes = missing & FROM_KUBERNETES
    only_tests = missing & FOR_TESTS - FROM_KUBERNETES
    others = missing - kubernetes - only_tests
    found = []
    if kubernetes <= FOR_USE:
        name, seconds = CLIENTS, CLIENTS_SECONDS
    else:
        name, seconds = KUBERNETES, KUBERNETES_SECONDS
    if kubernetes:
        found.append(_building(name, kubernetes, seconds))
    if others:
        found.append(_building(OTHERS, others, _seconds(others), (KUBERNETES,)))
    if only_tests:
        found.append(_building(TEST_PROGRAMS, only_tests, _seconds(only_tests), (KUBERNETES,)))
    return found


def make_node_image(say: Say) -> str:
    """Make the node image with the images of all parts in it, and return its name."""
    return node_image.ensure([part.image for part in parts.made_here()], say)


def build_ollama(say: Say) -> None:
    """Build Ollama from its Go module, or leave it to the images to say what is missing for that."""
    if not ollama_build.what_is_missing():
        ollama_build.build(lambda count, _: say(f"{count} of about {ollama_build.PACKAGES} packages"))


def platform_images(say: Say) -> None:
    """Build the platform's images; Ollama's is pulled where it can be."""
    building.build([], say)


def platform_tags() -> list[str]:
    """Return the names of the platform's images."""
    return [image.tag for image in catalog.chosen([])]


def _part_image(part: parts.Part) -> Job:
    return Job(f"image of {part.name}", part.ensure, (KUBERNETES,) if part.program else (BASE,), part.seconds)


def _seconds(names: Iterable[str]) -> int:
    return sum(PROGRAMS[name].seconds for name in names)


def _building(name: str, names: Iterable[str], seconds: int, needs: Sequence[str] = ()) -> Job:
    wanted = sorted(names)
    return Job(name, lambda say: tools.ensure_all(wanted, say), tuple(needs), seconds)
