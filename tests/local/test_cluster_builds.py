"""What is built before a cluster, by what a machine has; nothing is built here."""

from __future__ import annotations

import dataclasses

import pytest

from speechlocal.cluster import builds, parts
from speechlocal.cluster.builds import There
from speechlocal.cluster.programs import PROGRAMS
from speechlocal.containers import registries
from speechlocal.images import catalog

pytestmark = pytest.mark.unit

ALL_THERE = There(published=False, programs=frozenset(), base=True, node=True, parts=(), platform=(), ollama=True)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> There:
    """A machine without registries that has nothing yet."""
    monkeypatch.setattr(registries, "answer", lambda: False)
    return There(
        published=False,
        programs=frozenset(PROGRAMS),
        base=False,
        node=False,
        parts=parts.made_here(),
        platform=tuple(catalog.chosen([])),
        ollama=False,
    )


def test_where_all_is_there_only_the_platforms_own_images_are_looked_through() -> None:
    assert [job.name for job in builds.jobs(ALL_THERE)] == [builds.IMAGES]
    assert builds.jobs(ALL_THERE, platform=False) == []


def test_a_bare_machine_builds_everything_the_longest_first(bare: There) -> None:
    names = [job.name for job in builds.jobs(bare)]

    assert names[0] == builds.KUBERNETES
    assert names[-2:] == [builds.NODE, builds.IMAGES]
    assert {builds.OTHERS, builds.BASE, builds.OLLAMA, "image of traefik"} < set(names)
    assert builds.TEST_PROGRAMS not in names


def test_the_node_image_waits_for_all_that_goes_into_it(bare: There) -> None:
    node = next(job for job in builds.jobs(bare) if job.name == builds.NODE)

    assert {builds.KUBERNETES, builds.OTHERS, builds.BASE} < set(node.needs)
    assert {f"image of {part.name}" for part in bare.parts} < set(node.needs)


def test_what_an_image_of_a_part_holds_is_built_with_kubernetes(bare: There, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(builds.tools, "ensure_all", lambda names, _: done.extend(names))
    found = {job.name: job for job in builds.jobs(bare)}
    found[builds.KUBERNETES].work(lambda _: None)

    assert {"metrics-server", "kubelet", "etcd"} < set(done)
    assert found["image of metrics-server"].needs == (builds.KUBERNETES,)


def test_a_bare_machine_is_given_the_packages_that_all_this_is_built_with(bare: There) -> None:
    assert {package.name for package in builds.packages(bare)} == {
        "debootstrap",
        "g++",
        "nlohmann-json3-dev",
        "libstb-dev",
    }
    assert {package.name for package in builds.packages(bare, platform=False)} == {"debootstrap", "g++"}


def test_where_images_can_be_pulled_no_packages_are_wanted() -> None:
    assert builds.packages(dataclasses.replace(ALL_THERE, published=True)) == []


def test_with_the_node_image_there_kubernetes_is_built_for_kubectl_alone(bare: There) -> None:
    there = dataclasses.replace(bare, node=True, programs=frozenset({"kubelet", "kubectl", "etcd"}))

    assert [job.name for job in builds.programs(there.programs & builds.FOR_USE)] == [builds.CLIENTS]
    assert builds.OTHERS not in [job.name for job in builds.jobs(there)]


def test_where_images_can_be_pulled_nothing_of_kubernetes_is_built() -> None:
    there = dataclasses.replace(ALL_THERE, published=True, programs=frozenset(PROGRAMS) - {"kubectl"})

    assert [job.name for job in builds.jobs(there, platform=False)] == [builds.CLIENTS]


def test_tests_get_their_programs_too(bare: There) -> None:
    there = dataclasses.replace(ALL_THERE, programs=bare.programs)

    assert {builds.KUBERNETES, builds.TEST_PROGRAMS} < {job.name for job in builds.jobs(there, tests=True)}


def test_every_program_is_built_by_exactly_one_job(bare: There, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(builds.tools, "ensure_all", lambda names, _: done.extend(names))
    for job in builds.programs(bare.programs & (builds.FOR_USE | builds.FOR_NODE | builds.FOR_TESTS)):
        job.work(lambda _: None)

    assert sorted(done) == sorted(builds.FOR_USE | builds.FOR_NODE | builds.FOR_TESTS)
    assert set(PROGRAMS) - set(done) == {"metrics-server"}, "which is for its image alone"


def test_a_cold_build_is_told_to_take_no_more_than_half_an_hour(bare: There) -> None:
    assert 10 * 60 < sum(job.seconds for job in builds.jobs(bare)) < 30 * 60
