"""What must be built before there can be a cluster on this machine, as jobs: only what is missing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechlocal import programs
from speechlocal.containers import docker
from speechlocal.images import building, catalog
from speechlocal.jobs import Job
from speechlocal.offline import plan

if TYPE_CHECKING:
    from speechlocal import debian
    from speechlocal.progress import Report

PLATFORM = "platform images"
FOR_USE = plan.CLIENT_PROGRAMS
# An API server without nodes, with simulated ones a scheduler (benchmarks), and what checks manifests and runs Compose
FOR_TESTS = plan.ONLY_FOR_TESTS | {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}


@dataclass(frozen=True)
class Missing:
    """What this machine lacks: third-party programs and images, and images of the platform."""

    third_party: plan.Missing
    platform: tuple[catalog.Image, ...] = ()

    def without_platform(self) -> Missing:
        """Return what is missing for a cluster alone."""
        return Missing(replace(self.third_party, ollama=False))


def platform_images() -> list[catalog.Image]:
    """Return the images of the platform that a local cluster runs: those for CPUs, since its GPUs are simulated."""
    return catalog.chosen([])


def find_missing() -> Missing:
    """Return what this machine lacks; an engine must answer."""
    platform = tuple(image for image in platform_images() if not docker.has_image(image.tag))
    return Missing(plan.find_missing(), platform)


def packages(missing: Missing, *, platform: bool = True) -> list[debian.Package]:
    """Return the Debian packages needed to build what is missing; arguments as for `jobs`."""
    return plan.packages((missing if platform else missing.without_platform()).third_party)


def jobs(missing: Missing, *, platform: bool = True, tests: bool = False) -> list[Job]:
    """Return jobs that build what is missing, in the order in which they are best started.

    Args:
        missing: what this machine lacks.
        platform: include the platform's images; they are always rebuilt, since sources may have changed.
        tests: include programs that only tests run.
    """
    wanted = FOR_USE | FOR_TESTS if tests else FOR_USE
    if not platform:
        return plan.jobs(missing.without_platform().third_party, wanted)
    seconds = sum(image.seconds for image in missing.platform)
    return [
        *plan.jobs(missing.third_party, wanted),
        Job(PLATFORM, build_platform, (plan.BASE, plan.OLLAMA), seconds),
    ]


def jobs_without_engine() -> list[Job]:
    """Return jobs that build the missing programs of tests: all that can be built without a container engine."""
    return plan.program_jobs(programs.missing(FOR_TESTS))


def build_platform(report: Report) -> None:
    """Build the platform's images; Ollama's is pulled where it can be."""
    building.build([image.name for image in platform_images()], report)
