"""A JSON object read member by member is what Python's parser makes of it."""

import json
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.upstreams.json_pieces import members

pytestmark = pytest.mark.unit

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=5), values, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=5)


@given(OBJECTS, st.sampled_from([None, 0, 1, "\t"]), st.booleans())
def test_the_members_are_those_of_the_object(value: dict[str, object], indent: int | str | None, escaped: bool) -> None:  # noqa: FBT001 - hypothesis
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)

    assert dict(members(text)) == value


@given(OBJECTS.map(json.dumps), st.integers(0, 100), st.text('{}[],:" \n1atrue', max_size=3))
def test_what_is_invalid_for_one_parser_is_invalid_for_the_other(text: str, at: int, change: str) -> None:
    changed = text[:at] + change + text[at:]
    try:
        expected = json.loads(changed)
    except ValueError:
        expected = None

    if isinstance(expected, dict):
        assert dict(members(changed)) == expected
    else:
        with pytest.raises(ValueError, match=r".+"):
            dict(members(changed))


@given(OBJECTS.map(json.dumps).flatmap(lambda text: st.integers(0, len(text) - 1).map(lambda end: text[:end])))
def test_an_object_that_ends_early_is_invalid(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        dict(members(text))


def test_who_has_enough_reads_no_further() -> None:
    assert list(islice(members('{"a": 1, "b": [2], broken'), 2)) == [("a", 1), ("b", [2])]
