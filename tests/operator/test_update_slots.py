"""Slots for updates: how many pipelines replace their pods at the same time because of a new operator release."""

import pytest

from speechoperator.kube.objects import Key
from speechoperator.update_slots import UpdateSlots

pytestmark = pytest.mark.unit

A, B, C, D = (Key("team", name) for name in "abcd")


class Asked:
    """Slots, and the pipelines that were told that they have one."""

    def __init__(self, limit: int, gpu_limit: int) -> None:
        self.told: list[Key] = []
        self.slots = UpdateSlots(limit, gpu_limit, self.told.append)

    def wait(self, *keys: Key, gpus: bool = False) -> None:
        for key in keys:
            self.slots.note(key, "waiting", gpus=gpus)


def test_no_more_are_updated_at_a_time_than_there_are_slots() -> None:
    asked = Asked(2, 2)

    asked.wait(A, B, C, D)
    assert asked.told == [A, B]

    asked.slots.note(A, "none", gpus=False)
    assert asked.told == [A, B, C], "whoever has waited longest"
    assert [asked.slots.holds(key) for key in (A, B, C, D)] == [False, True, True, False]


def test_pipelines_with_gpus_have_a_limit_of_their_own_and_hold_up_no_others() -> None:
    asked = Asked(3, 1)

    asked.wait(A, B, gpus=True)
    asked.wait(C)

    assert asked.told == [A, C]


def test_asking_again_changes_nothing() -> None:
    asked = Asked(1, 1)

    asked.wait(A, B, A, B)

    assert asked.told == [A]


def test_an_update_in_progress_counts_even_beyond_the_limit() -> None:
    """After a restart of the operator, with a lower limit."""
    asked = Asked(1, 1)
    for key in (A, B):
        asked.slots.note(key, "running", gpus=True)

    asked.wait(C)
    asked.slots.forget(A)
    assert asked.told == []

    asked.slots.forget(B)
    assert asked.told == [C]


def test_a_pipeline_that_is_gone_loses_its_place() -> None:
    asked = Asked(1, 1)
    asked.wait(A, B, C)

    asked.slots.forget(B)
    asked.slots.forget(A)

    assert asked.told == [A, C]


def test_whoever_no_longer_leads_forgets_all() -> None:
    asked = Asked(1, 1)
    asked.wait(A, B)

    asked.slots.clear()
    asked.wait(C)

    assert asked.told == [A, C]


def test_a_new_leader_goes_on_with_the_updates_of_the_one_before() -> None:
    asked = Asked(1, 1)
    statuses = {"a": "UpdateQueued", "b": "Updating", "c": None}

    asked.slots.resume(
        {
            "metadata": {"name": name, "namespace": "team"},
            "spec": {"ollama": {"models": [{"name": "llama3"}], "gpu": {"count": 1}}},
            "status": {"conditions": [{"type": "UpdateAvailable", "status": "True", "reason": reason}]},
        }
        for name, reason in statuses.items()
    )
    asked.wait(A)

    assert (asked.slots.holds(B), asked.told) == (True, [])


def test_a_pipeline_that_this_release_cannot_read_has_no_update_to_go_on_with() -> None:
    asked = Asked(1, 1)
    status = {"conditions": [{"type": "UpdateAvailable", "status": "True", "reason": "Updating"}]}

    asked.slots.resume([{"metadata": {"name": "a", "namespace": "team"}, "spec": {}, "status": status}])

    assert not asked.slots.holds(A)
