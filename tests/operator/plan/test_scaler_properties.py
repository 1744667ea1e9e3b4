"""Properties of the scaler within the plan, for any load and for any crash between two writes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.pipelines import of_ollama, of_whisper, pipeline
from fakes.planned_cluster import PlannedCluster
from fakes.scaled_cluster import NOTHING, replicas
from fakes.scaled_component import load
from speechoperator.plan import Plan
from speechoperator.plan.scaling.load import Loads

pytestmark = pytest.mark.unit

BUDGET = 4
WHISPER_GPUS, OLLAMA_GPUS = 1, 2

LOADS = st.builds(
    lambda audio, busy, working: Loads(
        load(audio, busy=busy), replace(NOTHING, working=float(working), busy=float(bool(working)))
    ),
    st.sampled_from([0.0, 30.0, 600.0, 6000.0]),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.integers(0, 30),
)
MOMENTS = st.tuples(LOADS, st.sampled_from([1.0, 15.0, 60.0]), st.booleans(), st.integers(0, 3))
"""A load, the seconds until it, whether the pods have followed, and after how many writes the operator crashes."""


def cluster(minimum: int) -> PlannedCluster:
    def component(gpus: int) -> dict[str, Any]:
        scaling = {"minReplicas": minimum, "maxReplicas": 4, "idlePeriod": "1m"}
        return {"gpu": {"count": gpus}, "cache": {"accessMode": "ReadWriteMany"}, "scaling": scaling}

    budget = {"scaling": {"gpuBudget": BUDGET}}
    return PlannedCluster(pipeline(of_whisper(**component(WHISPER_GPUS)), of_ollama(**component(OLLAMA_GPUS)), budget))


def used(found: PlannedCluster) -> int:
    """GPUs of the pods that exist, or that the Deployments will create."""
    whisper, ollama = (max(replicas(found, name), len(found.pods_of(name))) for name in ("whisper", "ollama"))
    return whisper * WHISPER_GPUS + ollama * OLLAMA_GPUS


@settings(max_examples=25)
@given(minimum=st.sampled_from([0, 1]), moments=st.lists(MOMENTS, min_size=1, max_size=12))
def test_the_budget_and_the_bounds_hold_at_every_moment(minimum: int, moments: list[Any]) -> None:
    found = cluster(minimum)
    found.run()
    assert used(found) <= BUDGET
    for loads, seconds, follow, crash in moments:
        found.later(seconds)
        now = found.now.timestamp()
        found.loads = Loads(replace(loads.whisper, seen_at=now), replace(loads.ollama, seen_at=now))
        planned = found.plan()
        for index, scale in enumerate(planned.scales):
            if index == crash:
                break
            found.carry_out(Plan(scales=(scale,), status=found.raw["status"]))
            assert used(found) <= BUDGET, "also between two writes"
            assert scale.replicas <= 4
        if crash < len(planned.scales):
            found.new_leader()
        else:
            found.carry_out(replace(planned, scales=(), costs=()))
        if follow:
            found.settle()


@settings(max_examples=25)
@given(loads=LOADS, minimum=st.sampled_from([0, 1]))
def test_a_steady_load_ends_in_a_steady_state_without_writes(loads: Loads, minimum: int) -> None:
    found = cluster(minimum)
    found.run()

    def again() -> bool:
        found.later(30.0)
        now = found.now.timestamp()
        found.loads = Loads(replace(loads.whisper, seen_at=now), replace(loads.ollama, seen_at=now))
        before = found.raw["status"]
        planned = found.step()
        found.settle()
        return bool(planned.scales or planned.apply or planned.status != before)

    for _ in range(40):
        again()
    assert not any(again() for _ in range(10))
