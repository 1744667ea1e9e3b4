"""Manifests that are used again by the next plan."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_ollama, of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster, converged
from fakes.scaled_cluster import BACKLOG, replicas, scaled, step
from speechoperator.api import SpeechPipeline
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan, plan
from speechoperator.plan.snapshot import Snapshot
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit


def planned(found: PlannedCluster, snapshot: Snapshot, settings: Settings | None = None) -> Plan:
    return plan(SpeechPipeline.parse(found.raw), snapshot, found.now, settings or found.settings)


def before(found: PlannedCluster) -> tuple[Snapshot, Plan]:
    """A snapshot, and the plan for it as the first one of a process."""
    snapshot = replace(found.snapshot(), built=None)
    return snapshot, planned(found, snapshot)


def test_manifests_are_used_again_while_only_the_status_and_the_time_change() -> None:
    found = converged()
    snapshot, first = before(found)
    found.raw["status"] = {**found.raw["status"], "bottleneck": "whisper"}
    found.now += timedelta(seconds=1)

    second = planned(found, replace(snapshot, built=first.built))

    assert first.built
    assert second.built
    assert second.built.manifests is first.built.manifests


def test_manifests_are_used_again_while_the_scaler_scales() -> None:
    found = scaled()
    before = found.built
    step(found, BACKLOG)

    assert before
    assert found.built
    assert replicas(found) == 4
    assert found.built.manifests is before.manifests


@pytest.mark.parametrize(
    "change",
    [
        of_bridge(replicas=5),
        of_whisper(model="tiny"),
        of_ollama(models=[{"name": "qwen3:4b"}]),
        of_whisper(url="http://asr:9000"),
        {"inheritedMetadata": {"labels": {"team": "a"}}},
        {"suspend": True},
    ],
)
def test_a_plan_with_the_manifests_of_an_older_spec_is_the_same_as_without(change: dict[str, Any]) -> None:
    found = converged()
    snapshot, first = before(found)
    found.edit(pipeline(change)["spec"])

    assert planned(found, replace(snapshot, built=first.built)) == planned(found, snapshot)


def test_other_settings_build_other_manifests() -> None:
    found = converged()
    snapshot, first = before(found)
    settings = found.settings.model_copy(update={"bridge_image": "bridge:2"})

    assert planned(found, replace(snapshot, built=first.built), settings) == planned(found, snapshot, settings)


def test_an_object_that_has_changed_is_written() -> None:
    found = converged()
    _, first = before(found)
    bridge = Ref("Deployment", "calls-bridge")
    found.objects[bridge]["spec"]["replicas"] = 7

    second = planned(found, replace(found.snapshot(), built=first.built))

    assert [one.reason for one in second.apply] == ["spec.replicas is 7, wanted 2"]


def test_an_object_that_differs_is_written_again_until_it_matches() -> None:
    found = converged()
    found.object("Deployment", "calls-bridge")["spec"]["replicas"] = 7
    snapshot, first = before(found)

    assert planned(found, replace(snapshot, built=first.built)).apply == first.apply


def test_a_deleted_object_is_missing() -> None:
    found = converged()
    snapshot, first = before(found)
    rest = {ref: one for ref, one in snapshot.objects.items() if ref.kind != "ConfigMap"}

    second = planned(found, replace(snapshot, objects=rest, built=first.built))

    assert {one.reason for one in second.apply} == {"missing"}
