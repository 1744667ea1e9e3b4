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


@pytest.mark.parametrize("volume", ["node:node-1/var/lib/models", "nfs:nas:/models"])
def test_namespaces_share_the_folders_of_nodes_and_of_nfs_servers(volume: str) -> None:
    turns = Turns(9)
    elsewhere, pull = Key("elsewhere", "a"), (volume, "llama3")
    assert turns.begin(A, pull)

    assert not turns.begin(elsewhere, pull)
    assert turns.waiting(elsewhere) == {
        pull: "waiting for the volume: a pipeline of another namespace pulls into it",
    }
    assert turns.end(A, pull) == (elsewhere,)
    assert turns.begin(elsewhere, pull)


@pytest.mark.parametrize("volume", ["pvc:models", "pod:a"])
def test_a_pvc_or_a_pod_of_the_same_name_in_another_namespace_is_another(volume: str) -> None:
    turns = Turns(9)

    assert turns.begin(A, (volume, "llama3"))
    assert turns.begin(Key("elsewhere", "a"), (volume, "llama3"))


def test_removals_do_not_count_as_pulls() -> None:
    turns = Turns(1)

    assert turns.begin_removal(A, "pvc:x")
    assert turns.begin(B, ("pvc:y", "llama3"))
    assert turns.begin_removal(A, "pvc:z")


def test_a_volume_has_one_turn_for_pulls_and_removals() -> None:
    turns = Turns(9)
    assert turns.begin_removal(A, "pvc:x")

    assert not turns.begin(B, ("pvc:x", "llama3"))
    assert not turns.begin_removal(C, "pvc:x")

    assert turns.end_removal(B, "pvc:x") == ()
    assert turns.end_removal(A, "pvc:x") == (B, C)
    assert turns.begin(B, ("pvc:x", "llama3"))
