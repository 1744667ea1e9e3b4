"""A plan is cheap: a hundred pipelines are looked at again and again."""

import time
from collections.abc import Callable

import pytest

from fakes.planned_cluster import PlannedCluster
from goldens import CASES, raw
from speechoperator.models import SpeechPipeline
from speechoperator.plan import plan

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("case", CASES)
def test_takes_less_than_five_milliseconds_of_cpu(case: str) -> None:
    found = PlannedCluster(raw(case))
    found.run()
    pipeline, observed = SpeechPipeline.parse(found.raw), found.observed()

    best = min(_seconds(lambda: plan(pipeline, observed, found.now, found.settings)) for _ in range(20))

    assert best < 0.005


def _seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
