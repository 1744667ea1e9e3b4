"""The wait for a pod, simulated: about that of one central queue. `benchmarks/bench/pod_choice.py` has more traces."""

import importlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.mark.parametrize("bridges", [1, 2])
def test_the_wait_is_about_that_of_one_central_queue(bridges: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    simulation = importlib.import_module("bench.pod_choice")  # the folder is not a package of the tests

    assert simulation.ratio(bridges, seeds=2, jobs=3000) <= 1.3
