"""Which pods of a pipeline are followed."""

from dataclasses import replace
from typing import Any

import pytest

from fakes.reconciler_bench import Bench
from speechoperator.api import SpeechPipeline, labels
from speechoperator.kube.objects import Key
from speechoperator.observe import loads
from speechoperator.observe.load_feed import LoadFeed, Source
from speechoperator.observe.load_reports import BridgeReport, Heard, pod_id
from speechoperator.observe.loads import Observed
from speechoperator.plan.scaling import (
    Bounds,
    ComponentState,
    History,
    OllamaScaling,
    ScalingSpec,
    States,
    WhisperScaling,
    scale,
)
from speechoperator.plan.scaling.behavior import Behavior, Rules
from speechoperator.plan.scaling.load import Report

pytestmark = pytest.mark.unit

KEY = Key("team", "p")


class Feed:
    """Remembers what it is to follow; every Whisper pod works on two requests, every bridge has the same models."""

    def __init__(self, bridge: BridgeReport = BridgeReport(models_revision="1a2b")) -> None:  # noqa: B008 - frozen
        self.sources: tuple[Source, ...] = ()
        self._bridge = bridge

    def follow(self, _key: Key, sources: Any) -> tuple[Heard, ...]:
        self.sources = tuple(sources)
        whisper = Report(waiting=0, working=2)
        return tuple(
            Heard(one.component, one.pod, one.ready, whisper if one.component == "whisper" else self._bridge, 1.0)
            for one in self.sources
        )

    def forget(self, _key: Key) -> None:
        self.sources = ()


def pod(
    name: str, component: str, ip: str = "10.0.0.7", *, ready: bool = True, condition: str = "", **metadata: Any
) -> dict[str, Any]:
    """A running pod; `condition` is the status of its condition Ready, where it differs from its container's."""
    conditions = [{"type": "Ready", "status": condition or str(ready)}]
    container = {"ready": ready, "started": True, "state": {"running": {}}}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {labels.COMPONENT: component}, **metadata},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "containerStatuses": [container],
            "conditions": conditions,
        },
    }


def observe(
    *pods: dict[str, Any], feed: Any = None, now: float = 1000.0, **spec: Any
) -> tuple[tuple[Source, ...], Observed]:
    raw = {
        "apiVersion": "speechpipeline.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": "p", "namespace": "team"},
        "spec": {"ollama": {"models": [{"name": "llama3"}]}, **spec},
    }
    feed = feed or Feed()
    feed.follow(KEY, [Source("bridge", "before", "u", "http://before", ready=True)])
    found = loads.observe(_as_feed(feed), KEY, SpeechPipeline.parse(raw), pods, now)
    return feed.sources, found


def _as_feed(feed: Any) -> LoadFeed:
    found: LoadFeed = feed
    return found


@pytest.mark.parametrize("component", ["bridge", "whisper"])
@pytest.mark.parametrize("condition", ["False", "Unknown"])
def test_the_load_of_a_pod_on_a_failed_node_need_not_be_known(component: str, condition: str) -> None:
    """The node controller sets the condition Ready; the states of the containers stay as the kubelet left them."""
    sources, _ = observe(pod("lost", component, condition=condition))

    assert [(source.pod, source.ready) for source in sources] == [("lost", False)]


def test_running_bridges_and_whisper_pods_are_followed_at_their_addresses() -> None:
    sources, found = observe(
        pod("b-0", "bridge"),
        pod("w-0", "whisper", "fd00::7"),
        pod("w-1", "whisper", ready=False),
        pod("o-0", "ollama"),
    )

    assert sources == (
        Source("bridge", "b-0", "uid-b-0", "http://10.0.0.7:8080", ready=True),
        Source("whisper", "w-0", "uid-w-0", "http://[fd00::7]:9000", ready=True),
        Source("whisper", "w-1", "uid-w-1", "http://10.0.0.7:9000", ready=False),
    )
    assert found.loads.whisper.working == 4
    assert set(found.pods) == {"w-0", "w-1"}
    assert found.models_revisions == {"b-0": "1a2b"}


@pytest.mark.parametrize(
    "gone",
    [
        pod("w-0", "whisper", deletionTimestamp="2026-11-29T12:00:00Z"),
        pod("w-0", "whisper", ""),
        {**pod("w-0", "whisper"), "status": {"phase": "Failed", "podIP": "10.0.0.7"}},
        {**pod("w-0", "whisper"), "status": {"phase": "Pending"}},
    ],
    ids=["terminating", "without an address", "finished", "pending"],
)
def test_the_work_of_other_pods_is_no_demand(gone: dict[str, Any]) -> None:
    sources, found = observe(gone)

    assert (sources, found.loads.whisper.requests, found.pods) == ((), 0.0, {})


@pytest.mark.parametrize(
    "whisper", [{"engine": "asr-webservice"}, {"url": "http://asr:9000"}], ids=["asr-webservice", "external"]
)
def test_whisper_pods_without_a_report_are_not_asked(whisper: dict[str, Any]) -> None:
    sources, _ = observe(pod("b-0", "bridge"), pod("w-0", "whisper"), whisper=whisper)

    assert [source.pod for source in sources] == ["b-0"]


TERMINATING = {"deletionTimestamp": "2026-11-29T12:00:00Z"}


def test_a_terminating_bridge_is_followed_for_its_load_alone() -> None:
    """It is asked for no list of models, and may be silent: its node may be down."""
    sources, found = observe(pod("b-0", "bridge", **TERMINATING))

    assert sources == (Source("bridge", "b-0", "uid-b-0", "http://10.0.0.7:8080", ready=False),)
    assert found.models_revisions == {}


def test_a_terminating_bridge_has_no_load_once_it_has_finished() -> None:
    finished = {**pod("b-0", "bridge", **TERMINATING), "status": {"phase": "Succeeded", "podIP": "10.0.0.7"}}

    assert observe(finished)[0] == ()


def test_nothing_goes_to_zero_while_a_terminating_bridge_has_requests_that_ollama_will_answer() -> None:
    idle = Report(held=0, waiting=0, working=0, coming=0)
    behavior = Behavior(down=Rules(0.0), idle_period=300.0)
    spec = ScalingSpec(whisper=WhisperScaling(Bounds(1, 1)), ollama=OllamaScaling(Bounds(0, 1), behavior=behavior))
    states, running = States(ComponentState(1, 1), ComponentState(1, 1)), {}
    for ollama in (replace(idle, coming=1), idle):
        feed, history = Feed(BridgeReport(held=idle, whisper=idle, ollama=ollama)), History()
        for second in range(0, 1800, 15):
            _, found = observe(pod("b-0", "bridge", **TERMINATING), feed=feed, now=1000.0 + second)
            decision = scale(spec, found.loads, states, history, 1000.0 + second)
            history = decision.history
            if decision.ollama and not decision.ollama.replicas:
                break
        running[ollama.coming] = decision.ollama and decision.ollama.replicas

    assert running == {1: 1, 0: 0}


def test_the_work_of_pods_that_report_nothing_is_what_the_bridges_have_sent() -> None:
    feed = Feed(BridgeReport(sent_to_whisper={pod_id("10.0.0.1"): 1}, sent_to_ollama={pod_id("10.0.0.4"): 2}))
    running = [
        pod("b-0", "bridge"),
        pod("w-0", "whisper", "10.0.0.1"),
        pod("o-0", "ollama", "10.0.0.3"),
        pod("o-1", "ollama", "10.0.0.4"),
        pod("o-2", "ollama", "10.0.0.5", **TERMINATING),
    ]

    _, ours = observe(*running, feed=feed)
    _, asr = observe(*running, feed=feed, whisper={"engine": "asr-webservice"})

    assert {name: report.working for name, report in ours.pods.items()} == {"w-0": 2, "o-0": 0, "o-1": 2}
    assert {name: report.working for name, report in asr.pods.items()} == {"w-0": 1, "o-0": 0, "o-1": 2}


def test_a_suspended_pipeline_is_not_followed() -> None:
    assert observe(pod("b-0", "bridge"), suspend=True) == ((), Observed())


def test_of_a_pipeline_that_another_autoscaler_scales_only_the_lists_of_models_are_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loads, "from_pipeline", lambda _: ScalingSpec(mode="Off"))

    sources, found = observe(pod("b-0", "bridge"), pod("w-0", "whisper"))

    assert sources == (Source("bridge", "b-0", "uid-b-0", "http://10.0.0.7:8080", ready=True, load=False),)
    assert found == Observed(models_revisions={"b-0": "1a2b"})


async def test_the_streams_of_a_pipeline_end_with_it(bench: Bench) -> None:
    own = {labels.PIPELINE: "p", labels.COMPONENT: "bridge"}
    bench.api.have({"kind": "Pod", **pod("b-0", "bridge", namespace="team", labels=own)})
    await bench.once()
    assert len(bench.loads) == 1

    del bench.api.objects["SpeechPipeline", "team", "p"]
    await bench.once()

    assert len(bench.loads) == 0
