"""Pipelines that are parsed again only if more than their status has changed."""

from typing import Any

import pytest
from pydantic import ValidationError

from cluster.pipelines import pipeline
from speechoperator.api import SpeechPipeline
from speechoperator.kube.objects import Key
from speechoperator.observe.parsed import ParsedPipelines

pytestmark = pytest.mark.unit

KEY = Key("team", "calls")


def raw(generation: int = 1, status: Any = None, **spec: Any) -> dict[str, Any]:
    found = pipeline(spec)
    found["metadata"] |= {"namespace": "team", "uid": "u", "generation": generation}
    return found | ({"status": status} if status else {})


def test_a_new_status_leaves_the_spec_as_it_was_parsed() -> None:
    parsed = ParsedPipelines()
    before = parsed.parse(KEY, raw())

    after = parsed.parse(KEY, raw(status={"url": "http://calls"}))

    assert after.spec is before.spec
    assert after == SpeechPipeline.parse(raw(status={"url": "http://calls"}))


@pytest.mark.parametrize(
    "other",
    [
        raw(generation=2),
        raw(suspend=True),
        raw() | {"metadata": {"name": "calls", "namespace": "team", "uid": "another", "generation": 1}},
    ],
)
def test_whatever_else_changes_is_parsed(other: dict[str, Any]) -> None:
    parsed = ParsedPipelines()
    parsed.parse(KEY, raw())

    assert parsed.parse(KEY, other) == SpeechPipeline.parse(other)


def test_an_invalid_pipeline_is_an_error_every_time() -> None:
    parsed = ParsedPipelines()
    for _ in range(2):
        parsed.parse(KEY, raw())
        with pytest.raises(ValidationError):
            parsed.parse(KEY, raw() | {"spec": {}})


def test_those_of_many_pipelines_are_kept_no_longer_than_needed() -> None:
    parsed = ParsedPipelines()
    first = parsed.parse(KEY, raw())
    for number in range(2100):
        parsed.parse(Key("team", f"p{number}"), raw())

    assert parsed.parse(KEY, raw()).spec is not first.spec
