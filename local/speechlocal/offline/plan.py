"""What is missing on this machine and must be built here, as jobs and as the Debian packages that they need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechlocal import debian, ollama, programs
from speechlocal.containers import docker, registries
from speechlocal.jobs import Job
from speechlocal.offline import go_programs, ollama_build, provide
from speechlocal.offline.go_recipes import KUBERNETES_MODULE, KUBERNETES_SECONDS, unit
from speechlocal.offline.go_recipes import RECIPES as PROGRAMS
from speechlocal.offline.image_recipes import PRELOADED
from speechlocal.offline.image_recipes import RECIPES as IMAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from speechlocal.progress import Report

# Names of jobs, which are shown
KUBERNETES, CLIENTS, OTHERS = "Kubernetes and its tools", "kubectl, Helm, kind", "CoreDNS, NetworkPolicies, storage"
BASE, NODE, OLLAMA = "Debian image", "node image", "Ollama"
TEST_PROGRAMS = "kubeconform, chart-testing, kwok, Compose, OpenTelemetry Collector"
CLIENTS_SECONDS = 120
OLLAMA_SECONDS = 240  # on two cores

FROM_KUBERNETES = frozenset(name for name in PROGRAMS if unit(name) == KUBERNETES_MODULE)
CLIENT_PROGRAMS = frozenset({"kind", "kubectl", "helm"})
ONLY_FOR_TESTS = frozenset({"kubeconform", "ct", "kwok", "docker-compose", "otelcol"})


@dataclass(frozen=True)
class Missing:
    """What must be built: programs, images by their names in `provide`, and whether Ollama."""

    programs: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    ollama: bool = False


def find_missing() -> Missing:
    """Return what must be built on this machine; an engine must answer."""
    return Missing(programs.missing(PROGRAMS), missing_images(), missing_ollama())


def missing_images(names: Iterable[str] = tuple(IMAGES)) -> frozenset[str]:
    """Return those of the images that must be built here and are not in the engine."""
    return frozenset(name for name in names if provide.is_built(name) and not docker.has_image(IMAGES[name].tag()))


def missing_ollama() -> bool:
    """Return whether Ollama must be built for its image."""
    return not registries.answer() and not ollama.built().is_file()


def packages(missing: Missing) -> list[debian.Package]:
    """Return the Debian packages needed to build what is missing."""
    return [
        *((debian.DEBOOTSTRAP,) if "debian" in missing.images else ()),
        *((debian.COMPILER,) if "node" in missing.images else ()),
        *(debian.FOR_OLLAMA if missing.ollama else ()),
    ]


def jobs(missing: Missing, wanted: frozenset[str]) -> list[Job]:
    """Return jobs that build what is missing, in the order in which they are best started.

    Args:
        missing: what this machine lacks.
        wanted: the programs that are needed, beside those in the missing images.
    """
    in_images = frozenset[str]().union(*(IMAGES[name].programs for name in missing.images))
    found = program_jobs(missing.programs & (wanted | in_images))
    if "debian" in missing.images:
        found.append(Job(BASE, IMAGES["debian"].ensure, seconds=IMAGES["debian"].seconds))
    if missing.ollama:
        found.append(Job(OLLAMA, build_ollama, seconds=OLLAMA_SECONDS))
    found += [_image_job(name) for name in PRELOADED if name in missing.images]
    if "node" in missing.images:
        needs = (KUBERNETES, OTHERS, BASE, *map(image_job_name, PRELOADED))
        found.append(Job(NODE, IMAGES["node"].ensure, needs, IMAGES["node"].seconds))
    return found


def program_jobs(names: frozenset[str]) -> list[Job]:
    """Return jobs that build programs: those of Kubernetes' module in one run of Go, then what shares packages."""
    kubernetes = names & FROM_KUBERNETES
    for_tests = names & ONLY_FOR_TESTS
    others = names - kubernetes - for_tests
    found = []
    if kubernetes and kubernetes <= CLIENT_PROGRAMS:
        found.append(_program_job(CLIENTS, kubernetes, CLIENTS_SECONDS))
    elif kubernetes:
        found.append(_program_job(KUBERNETES, kubernetes, KUBERNETES_SECONDS))
    if others:
        found.append(_program_job(OTHERS, others, _seconds(others), (KUBERNETES,)))
    if for_tests:
        found.append(_program_job(TEST_PROGRAMS, for_tests, _seconds(for_tests), (KUBERNETES,)))
    return found


def build_ollama(report: Report) -> None:
    """Build Ollama, unless a requirement is missing: the job that makes its image reports that."""
    if not ollama_build.missing_requirements():
        ollama_build.build(lambda count, _: report(f"{count} of about {ollama_build.PACKAGES} packages"))


def image_job_name(name: str) -> str:
    """Return the name of the job that builds the image of an add-on."""
    return f"{name} image"


def _image_job(name: str) -> Job:
    recipe = IMAGES[name]
    return Job(image_job_name(name), recipe.ensure, (KUBERNETES,) if recipe.programs else (BASE,), recipe.seconds)


def _program_job(job: str, names: frozenset[str], seconds: int, needs: tuple[str, ...] = ()) -> Job:
    return Job(job, lambda report: go_programs.ensure(sorted(names), report), needs, seconds)


def _seconds(names: Iterable[str]) -> int:
    return sum(PROGRAMS[name].seconds for name in names)
