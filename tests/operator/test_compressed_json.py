"""JSON values that are kept as compressed text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json

import goldens
from speechoperator.compressed_json import CompressedJson

pytestmark = pytest.mark.unit

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(st.tuples(st.sampled_from(["Pod", "Service"]), VALUES)))
def test_every_value_comes_back(values: list[tuple[str, Any]]) -> None:
    kept = CompressedJson()
    packed = [(kind, kept.pack(kind, value)) for kind, value in values]

    assert [kept.unpack(kind, text) for kind, text in packed] == [value for _, value in values]


def test_a_dictionary_larger_than_the_window_of_zlib_is_fine() -> None:
    kept, large = CompressedJson(), {"data": [str(number) for number in range(20_000)]}
    for _ in range(2):
        assert kept.unpack("ConfigMap", kept.pack("ConfigMap", large)) == large


def test_what_resembles_the_first_of_its_kind_takes_little_memory() -> None:
    kept, text = CompressedJson(), to_json(goldens.built("full"))
    kept.pack("manifests", from_json(text))
    other = kept.pack("manifests", from_json(text.replace(b"support-calls", b"another")))

    assert len(other) < len(text) / 10
