"""Which manifests are kept for the next plan."""

import pytest

import goldens
from speechoperator.built_manifests import BuiltManifests
from speechoperator.kube.objects import Key
from speechoperator.plan.built import Built

pytestmark = pytest.mark.unit

KEY = Key("team", "p")
BUILT = Built((), ())


@pytest.mark.parametrize("case", goldens.CASES)
def test_they_are_kept_as_they_were_built(case: str) -> None:
    kept, built = BuiltManifests(), Built(("spec",), tuple(goldens.built(case)))
    kept.keep(KEY, built)
    for number in range(100):
        kept.keep(Key("team", f"p{number}"), BUILT)

    assert kept.of(KEY) == built
    assert kept.of(KEY) is not built


def test_those_of_the_latest_inputs_are_kept() -> None:
    kept = BuiltManifests()
    for number in range(2):
        kept.keep(KEY, Built((number,), ({"kind": f"Kind{number}"},)))
        assert kept.of(KEY) == Built((number,), ({"kind": f"Kind{number}"},))
    for number in range(100):
        kept.keep(Key("team", f"p{number}"), BUILT)

    assert kept.of(KEY) == Built((1,), ({"kind": "Kind1"},))


def test_those_that_were_planned_last_are_kept() -> None:
    kept = BuiltManifests()
    for number in range(2100):
        kept.keep(Key("team", f"p{number}"), BUILT)
        kept.keep(Key("team", "p0"), BUILT)

    found = {number for number in range(2100) if kept.of(Key("team", f"p{number}"))}

    assert found == {0, *range(53, 2100)}


def test_a_pipeline_that_is_gone_is_forgotten() -> None:
    kept = BuiltManifests()
    kept.keep(KEY, BUILT)
    kept.keep(KEY, None)

    assert kept.of(KEY) is None
