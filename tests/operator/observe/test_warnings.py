"""Warnings: Events of unhealthy objects."""

import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from speechoperator.kube.objects import Key, Object
from speechoperator.observe import warnings
from speechoperator.observe.polling import Poller, Polls
from speechoperator.observe.warnings import Warnings
from speechoperator.watch.pod_warnings import PodWarnings
from speechoperator.watch.store import Store

if TYPE_CHECKING:
    from speechoperator.kube.client import KubeClient

pytestmark = pytest.mark.unit


def event(second: int, message: str, kind: str = "Warning", reason: str = "x") -> Object:
    at = f"2026-11-23T12:00:{second:02}Z"
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": at, "metadata": {}}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], ""),
        ([event(1, "secret not found")], "secret not found"),
        ([event(1, "old"), event(2, "new")], "new"),
        ([event(1, "no node"), event(2, "pulling", "Normal")], ""),
        ([event(1, "pulling", "Normal"), event(1, "no image")], "no image"),
        ([event(1, "no class is set", "Normal", "FailedBinding")], "no class is set"),
        ([{"type": "Warning", "message": "a", "eventTime": "2026-11-23T12:00:01.5Z", "metadata": {}}], "a"),
    ],
)
def test_only_a_warning_that_is_the_last_word_counts(events: list[Object], said: str) -> None:
    assert warnings.newest_warning(events) == said


class Warned:
    """A pod with a warning, as the reconciler observes it."""

    def __init__(self, warned_at: str, *conditions: tuple[str, str, str]) -> None:
        store = Store()
        labels = {"speechpipeline.dev/pipeline": "p"}
        self.pod: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "p-0",
                "namespace": "team",
                "uid": "u",
                "resourceVersion": "1",
                "labels": labels,
                "creationTimestamp": "2026-11-23T12:00:00Z",
            },
            "status": {
                "conditions": [
                    {"type": kind, "status": status, "lastTransitionTime": at} for kind, status, at in conditions
                ]
            },
        }
        store.put(copy.deepcopy(self.pod))
        pods = PodWarnings(store)
        about = {"kind": "Pod", "namespace": "team", "name": "p-0", "uid": "u"}
        meta = {"name": "e", "namespace": "team"}
        pods.observe("ADDED", {"metadata": meta, "involvedObject": about, "message": "no", "lastTimestamp": warned_at})
        self.autoscaler = PodWarnings(store)
        self.warnings = Warnings(pods, self.autoscaler, cast("KubeClient", None))
        self.polls = Polls(Poller(lambda _: None), Key("team", "p"))

    def scaled(self, reason: str, at: str) -> None:
        """The cluster autoscaler says something about it, in an Event of type Normal."""
        about = {"kind": "Pod", "namespace": "team", "name": "p-0", "uid": "u"}
        meta = {"name": reason, "namespace": "team"}
        words = {"message": reason, "reason": reason, "lastTimestamp": at, "type": "Normal"}
        self.autoscaler.observe("ADDED", {"metadata": meta, "involvedObject": about, **words})

    def observed(self, at: str = "2026-11-23T12:05:00Z") -> dict[str, str]:
        now = datetime.fromisoformat(at)
        return dict(self.warnings.about_pods(self.polls, [self.pod], now))


SCHEDULED = ("PodScheduled", "True", "2026-11-23T12:00:01Z")


def test_a_warning_about_a_pod_counts_until_the_pod_makes_progress() -> None:
    assert Warned("2026-11-23T12:01:00Z", SCHEDULED).observed() == {"p-0": "no"}
    mounted = ("PodReadyToStartContainers", "True", "2026-11-23T12:01:01Z")
    assert Warned("2026-11-23T12:01:00Z", SCHEDULED, mounted).observed() == {}


def test_a_pod_that_is_ready_or_has_no_node_has_other_words() -> None:
    assert Warned("2026-11-23T12:01:00Z", ("PodScheduled", "False", "2026-11-23T12:00:01Z")).observed() == {}
    ready = Warned("2026-11-23T12:01:00Z", SCHEDULED)
    ready.pod["status"]["containerStatuses"] = [{"name": "a", "ready": True}]
    assert ready.observed() == {}


def test_a_new_pod_gets_a_moment_and_is_looked_at_again_then() -> None:
    young = Warned("2026-11-23T12:00:01Z", SCHEDULED)
    assert young.observed("2026-11-23T12:00:03Z") == {}
    assert young.polls.due == 1
    assert young.observed("2026-11-23T12:00:04Z") == {"p-0": "no"}


WITHOUT_NODE = ("PodScheduled", "False", "2026-11-23T12:00:01Z")


def test_of_a_pod_without_a_node_the_autoscaler_says_that_it_adds_none() -> None:
    warned = Warned("2026-11-23T12:03:00Z", WITHOUT_NODE)
    warned.scaled("NotTriggerScaleUp", "2026-11-23T12:01:00Z")
    assert warned.observed() == {"p-0": "NotTriggerScaleUp"}, "the warning is the scheduler's"
    warned.scaled("TriggeredScaleUp", "2026-11-23T12:02:00Z")
    assert warned.observed() == {}, "it adds one after all"


def test_what_the_autoscaler_said_counts_no_more_once_the_pod_has_a_node() -> None:
    warned = Warned("2026-11-23T12:00:00Z", SCHEDULED)
    warned.scaled("NotTriggerScaleUp", "2026-11-23T12:01:00Z")
    assert warned.observed() == {}
