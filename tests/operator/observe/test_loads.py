"""Which pods of a pipeline are followed."""

from typing import Any

import pytest

from fakes.reconciler_bench import Bench
from speechoperator.api import SpeechPipeline, labels
from speechoperator.kube.objects import Key
from speechoperator.observe import loads
from speechoperator.observe.load_feed import LoadFeed, Source
from speechoperator.observe.load_reports import BridgeReport, Heard
from speechoperator.observe.loads import Observed
from speechoperator.plan.scaling import ScalingSpec
from speechoperator.plan.scaling.load import Report

pytestmark = pytest.mark.unit

KEY = Key("team", "p")


class Feed:
    """Remembers what it is to follow; every Whisper pod works on two requests, every bridge has the same models."""

    def __init__(self) -> None:
        self.sources: tuple[Source, ...] = ()

    def follow(self, _key: Key, sources: Any) -> tuple[Heard, ...]:
        self.sources = tuple(sources)
        whisper, bridge = Report(waiting=0, working=2), BridgeReport(models_revision="1a2b")
        return tuple(
            Heard(one.component, one.pod, one.ready, whisper if one.component == "whisper" else bridge, 1.0)
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
        "status": {"phase": "Running", "podIP": ip, "containerStatuses": [container], "conditions": conditions},
    }


def observe(*pods: dict[str, Any], **spec: Any) -> tuple[tuple[Source, ...], Observed]:
    raw = {
        "apiVersion": "speechpipeline.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": "p", "namespace": "team"},
        "spec": {"ollama": {"models": [{"name": "llama3"}]}, **spec},
    }
    feed: Any = Feed()
    feed.follow(KEY, [Source("bridge", "before", "u", "http://before", ready=True)])
    found = loads.observe(_as_feed(feed), KEY, SpeechPipeline.parse(raw), pods, 1000.0)
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
