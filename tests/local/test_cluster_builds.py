"""What is built before a cluster, by what a machine lacks; nothing is built here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from speechlocal import locks, programs
from speechlocal.cluster import addons, builds, lifecycle
from speechlocal.cluster.builds import Missing
from speechlocal.cluster.lifecycle import Found, State
from speechlocal.containers import engine, registries
from speechlocal.images import building, catalog, nodes
from speechlocal.offline import go_programs, image_recipes, kubernetes_images, plan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.unit

ALL = frozenset(programs.VERSIONS)
NOTHING_MISSING = Missing(plan.Missing())
BARE = Missing(
    plan.Missing(programs=ALL, images=frozenset(image_recipes.RECIPES), ollama=True), tuple(catalog.chosen([]))
)
"""A machine without registries that has nothing yet."""

FOR_NODE = frozenset(kubernetes_images.PROGRAMS)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that jobs have built so far."""
    done: list[str] = []
    monkeypatch.setattr(go_programs, "ensure", lambda names, _: done.extend(names))
    return done


def test_with_nothing_missing_only_the_platforms_own_images_are_rebuilt() -> None:
    assert [job.name for job in builds.jobs(NOTHING_MISSING)] == [builds.PLATFORM]
    assert builds.jobs(NOTHING_MISSING, platform=False) == []


def test_a_bare_machine_builds_everything_the_longest_first() -> None:
    names = [job.name for job in builds.jobs(BARE)]

    assert names[0] == plan.KUBERNETES
    assert names[-2:] == [plan.NODE, builds.PLATFORM]
    assert {plan.OTHERS, plan.BASE, plan.OLLAMA, "traefik image"} < set(names)
    assert plan.TEST_PROGRAMS not in names


def test_without_the_platform_neither_its_images_nor_ollama_are_built() -> None:
    names = {job.name for job in builds.jobs(BARE, platform=False)}

    assert plan.NODE in names
    assert names.isdisjoint({plan.OLLAMA, builds.PLATFORM})


def test_the_node_image_waits_for_all_that_goes_into_it() -> None:
    node = next(job for job in builds.jobs(BARE) if job.name == plan.NODE)

    assert {plan.KUBERNETES, plan.OTHERS, plan.BASE} < set(node.needs)
    assert {plan.image_job_name(addon.name) for addon in addons.ADDONS} < set(node.needs)


def test_every_need_of_a_bare_machine_is_the_name_of_a_job() -> None:
    jobs = builds.jobs(BARE, tests=True)

    assert {need for job in jobs for need in job.needs} <= {job.name for job in jobs}


def test_the_program_in_an_add_ons_image_is_built_with_kubernetes(built: list[str]) -> None:
    found = {job.name: job for job in builds.jobs(BARE)}
    found[plan.KUBERNETES].work(lambda _: None)

    assert {"metrics-server", "kubelet", "etcd"} < set(built)
    assert found["metrics-server image"].needs == (plan.KUBERNETES,)


@pytest.fixture
def doubles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that answers, and nothing missing; nothing is built, created or copied."""
    monkeypatch.setattr(building, "build", lambda _names, _report: None)
    monkeypatch.setattr(nodes, "load", lambda _name, tags, _report: tags)
    monkeypatch.setattr(engine, "ensure", lambda _: None)
    monkeypatch.setattr(engine, "users", lambda: tmp_path / "users")
    monkeypatch.setattr(lifecycle, "inspect", lambda _: Found(State.ABSENT))
    monkeypatch.setattr(lifecycle, "ensure_running", lambda *_: None)
    monkeypatch.setattr(lifecycle, "install_library", lambda *_: None)
    monkeypatch.setattr(lifecycle, "install_addons", lambda *_: None)
    monkeypatch.setattr(builds, "find_missing", lambda: NOTHING_MISSING)


@pytest.mark.usefixtures("doubles")
def test_the_nodes_are_given_the_platforms_images_that_were_built(monkeypatch: pytest.MonkeyPatch) -> None:
    built: set[str] = set()
    copied: set[str] = set()
    monkeypatch.setattr(building, "build", lambda names, _: built.update(catalog.tag(name) for name in names))
    monkeypatch.setattr(nodes, "load", lambda _name, tags, _report: copied.update(tags) or tags)

    lifecycle.up(Console(quiet=True))

    assert copied == built
    assert not any(tag.endswith("-cuda") for tag in copied)


@pytest.mark.usefixtures("doubles")
def test_no_process_stops_the_engine_while_a_cluster_is_brought_up(monkeypatch: pytest.MonkeyPatch) -> None:
    unused: dict[str, bool] = {}

    def note(step: str) -> None:
        with locks.unless_shared(engine.users()) as alone:
            unused[step] = alone

    monkeypatch.setattr(building, "build", lambda _names, _report: note("build"))
    monkeypatch.setattr(lifecycle, "ensure_running", lambda *_: note("create"))

    lifecycle.up(Console(quiet=True))

    assert unused == {"build": False, "create": False}


def test_a_bare_machine_is_given_the_packages_that_all_this_is_built_with() -> None:
    assert {package.name for package in builds.packages(BARE)} == {
        "debootstrap",
        "g++",
        "nlohmann-json3-dev",
        "libstb-dev",
    }
    assert {package.name for package in builds.packages(BARE, platform=False)} == {"debootstrap", "g++"}


def test_with_nothing_missing_no_packages_are_installed() -> None:
    assert builds.packages(NOTHING_MISSING) == []


def test_where_registries_answer_only_the_unpublished_images_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registries, "answer", lambda: True)
    monkeypatch.setattr(plan.docker, "has_image", lambda _: False)

    assert plan.missing_images() == {"model-registry", "dashboards"}
    assert not plan.missing_ollama()


def test_without_registries_every_image_is_missing_that_the_engine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "answer", lambda: False)
    monkeypatch.setattr(plan.docker, "has_image", lambda tag: "/traefik:" in tag)

    assert plan.missing_images() == set(image_recipes.RECIPES) - {"traefik"}


def test_with_the_node_image_in_the_engine_kubernetes_is_built_for_kubectl_alone() -> None:
    missing = Missing(
        plan.Missing(
            programs=frozenset({"kubelet", "kubectl", "etcd"}), images=frozenset(image_recipes.RECIPES) - {"node"}
        )
    )
    names = [job.name for job in builds.jobs(missing)]

    assert plan.CLIENTS in names
    assert {plan.KUBERNETES, plan.OTHERS}.isdisjoint(names)


def test_where_images_can_be_pulled_nothing_of_kubernetes_is_built() -> None:
    missing = Missing(plan.Missing(programs=ALL - {"kubectl"}))

    assert [job.name for job in builds.jobs(missing, platform=False)] == [plan.CLIENTS]


def test_tests_get_their_programs_too() -> None:
    missing = Missing(plan.Missing(programs=ALL))

    assert {plan.KUBERNETES, plan.TEST_PROGRAMS} < {job.name for job in builds.jobs(missing, tests=True)}


def test_every_program_is_built_by_exactly_one_job(built: list[str]) -> None:
    for job in plan.program_jobs(builds.FOR_USE | FOR_NODE | builds.FOR_TESTS):
        job.work(lambda _: None)

    assert sorted(built) == sorted(builds.FOR_USE | FOR_NODE | builds.FOR_TESTS)
    assert ALL - set(built) == {"metrics-server"}, "which is for its image alone"


def test_a_cold_build_is_announced_with_no_more_than_half_an_hour() -> None:
    assert 10 * 60 < sum(job.seconds for job in builds.jobs(BARE)) < 30 * 60
