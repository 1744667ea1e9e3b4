"""Which manifests are kept for the next plan."""

import pytest

from speechoperator.built_manifests import BuiltManifests
from speechoperator.kube.objects import Key
from speechoperator.plan.built import Built

pytestmark = pytest.mark.unit

BUILT = Built((), ())


def test_those_that_were_planned_last_are_kept() -> None:
    kept = BuiltManifests()
    for number in range(300):
        kept.keep(Key("team", f"p{number}"), BUILT)
        kept.keep(Key("team", "p0"), BUILT)

    found = {number for number in range(300) if kept.of(Key("team", f"p{number}"))}

    assert found == {0, *range(45, 300)}


def test_a_pipeline_that_is_gone_is_forgotten() -> None:
    kept = BuiltManifests()
    kept.keep(Key("team", "p"), BUILT)
    kept.keep(Key("team", "p"), None)

    assert kept.of(Key("team", "p")) is None
