"""Turns of pulls: one a volume, so many in total, and who is next."""

import pytest

from speechoperator.kube.objects import Key
from speechoperator.ollama.turns import Turns

pytestmark = pytest.mark.unit

A, B, C = (Key("team", name) for name in "abc")


def test_whoever_waits_for_a_small_model_is_told_first() -> None:
    turns = Turns(1)
    first = ("pod:a", "llama3")
    assert turns.begin(A, first)
    assert not turns.begin(B, ("pod:b", "qwen3:70b"))
    assert not turns.begin(C, ("pod:c", "qwen3:4b"))

    assert turns.end(A, first) == (C, B)


def test_what_did_not_run_frees_nothing() -> None:
    turns = Turns(1)
    assert turns.begin(A, ("pvc:x", "llama3"))
    assert not turns.begin(B, ("pvc:x", "llama3"))

    assert turns.end(B, ("pvc:x", "llama3")) == ()
    assert not turns.begin(B, ("pvc:x", "llama3"))


def test_a_pipeline_that_is_gone_waits_for_nothing() -> None:
    turns = Turns(1)
    first = ("pod:a", "llama3")
    turns.begin(A, first)
    turns.begin(B, ("pod:b", "llama3"))

    turns.forget(B)

    assert turns.end(A, first) == ()
