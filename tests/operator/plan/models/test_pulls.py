"""Which models are pulled where and when, and which pulls are stopped."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.ollama_snapshots import POD, VOLUME, decide, failed, has, ollama_pod, pulling, terminating
from fakes.planned_cluster import NOON
from speechoperator.api import SpeechPipeline
from speechoperator.plan.actions import StartPull, StopPull
from speechoperator.plan.models.lifecycle import plan_models
from speechoperator.plan.snapshot import EXTERNAL, OllamaPod, Pull, Snapshot

pytestmark = pytest.mark.unit


class TestStart:
    def test_a_missing_model_is_pulled(self) -> None:
        found = decide({"name": "llama3", "insecure": True}, pods=(ollama_pod(),), answers={POD: has()})

        assert found.pulls == (StartPull(POD, "http://10.0.0.7:11434", VOLUME, "llama3", "llama3", insecure=True),)

    def test_a_model_is_pulled_from_its_source(self) -> None:
        model = {"name": "llama3", "source": "registry:5000/library/llama3"}

        (pull,) = decide(model, pods=(ollama_pod(),), answers={POD: has()}).pulls

        assert (pull.model, pull.source) == ("llama3", "registry:5000/library/llama3")

    def test_a_present_model_is_not_pulled(self) -> None:
        assert not decide("llama3", pods=(ollama_pod(),), answers={POD: has("llama3:latest")}).pulls

    @pytest.mark.parametrize(
        ("models", "first"),
        [
            (("llama3", "qwen3:4b"), "qwen3:4b"),
            (("qwen3:70b", "qwen3:4b"), "qwen3:4b"),
            (("llama3", "mistral"), "llama3"),
        ],
    )
    def test_models_are_pulled_one_at_a_time_small_ones_first(self, models: tuple[str, ...], first: str) -> None:
        """Those whose names do not say how large they are come last, the default first."""
        (pull,) = decide(*models, pods=(ollama_pod(),), answers={POD: has()}).pulls

        assert pull.model == first

    def test_nothing_is_pulled_into_a_busy_volume(self) -> None:
        pods, answers = (ollama_pod(),), {POD: has()}

        assert not decide("llama3", "qwen3:4b", pods=pods, answers=answers, pulls=(pulling("qwen3:4b"),)).pulls

    def test_a_model_is_pulled_once_into_a_shared_volume(self) -> None:
        pods = (ollama_pod("a"), ollama_pod("b"))

        assert [pull.pod for pull in decide(pods=pods, answers={"a": has(), "b": has()}).pulls] == ["a"]

    def test_a_model_is_pulled_into_every_pod_with_its_own_volume(self) -> None:
        pods = (ollama_pod("a", pvc=None), ollama_pod("b", pvc=None))

        found = decide(pods=pods, answers={"a": has(), "b": has()}, pulls=(pulling(volume="pod:a"),))

        assert [(pull.pod, pull.volume) for pull in found.pulls] == [("b", "pod:b")]

    @pytest.mark.parametrize("answer", [None, OllamaPod(reachable=False, detail="connection refused")])
    def test_an_unreachable_pod_does_not_pull(self, answer: OllamaPod | None) -> None:
        found = decide(pods=(ollama_pod(),), answers={POD: answer} if answer else {})

        assert not found.pulls

    def test_a_terminating_pod_does_not_pull(self) -> None:
        assert not decide(pods=(terminating(ollama_pod()),), answers={POD: has()}).pulls

    def test_an_external_ollama_does_not_pull(self) -> None:
        found = decide(url="http://box:11434", answers={EXTERNAL: has()})

        assert not found.pulls
        assert found.states[0].message == "missing at http://box:11434: run `ollama pull llama3` there"

    def test_an_ipv6_address_is_written_in_brackets(self) -> None:
        (pull,) = decide(pods=(ollama_pod(ip="fd00::7"),), answers={POD: has()}).pulls

        assert pull.address == "http://[fd00::7]:11434"

    def test_a_failed_pull_waits_while_others_go_on(self) -> None:
        found = decide("llama3", "qwen3:4b", pods=(ollama_pod(),), answers={POD: has()}, pulls=(failed(),))

        assert [pull.model for pull in found.pulls] == ["qwen3:4b"]

    def test_a_failed_pull_is_retried_in_time(self) -> None:
        due = replace(failed(), retry_at=NOON)
        pods, answers = (ollama_pod(),), {POD: has()}

        assert decide(pods=pods, answers=answers, pulls=(failed(),)).requeue_after == 5
        assert [pull.model for pull in decide(pods=pods, answers=answers, pulls=(due,)).pulls] == ["llama3"]


class TestStop:
    @pytest.mark.parametrize("pull", [pulling("gone"), failed("gone")])
    def test_a_pull_of_a_model_removed_from_the_spec_is_stopped(self, pull: Pull) -> None:
        found = decide(pods=(ollama_pod(),), answers={POD: has()}, pulls=(pull,))

        assert found.stops == (StopPull(VOLUME, "gone", "gone was removed from the spec"),)

    def test_a_pull_by_a_terminating_pod_is_stopped(self) -> None:
        """The pod would wait for the connection of its pull."""
        pods = (terminating(ollama_pod("a")), ollama_pod("b"))

        (stop,) = decide(pods=pods, answers={"b": has()}, pulls=(pulling(pod="a"),)).stops

        assert stop.reason == "pod a is terminating"
        assert not decide(pods=pods, answers={"b": has()}, pulls=(pulling(pod="b"),)).stops

    def test_a_pull_into_a_volume_without_pods_is_stopped(self) -> None:
        assert decide(pulls=(failed(),)).stops

    def test_a_failed_pull_of_a_model_that_became_present_is_stopped(self) -> None:
        assert decide(pods=(ollama_pod(),), answers={POD: has("llama3:latest")}, pulls=(failed(),)).stops

    def test_a_running_pull_of_a_present_model_completes_by_itself(self) -> None:
        found = decide(pods=(ollama_pod(),), answers={POD: has("llama3:latest")}, pulls=(pulling(),))

        assert not found.stops

    @pytest.mark.parametrize("change", [{"suspend": True}, of_ollama(url="http://box:11434")])
    def test_pulls_of_a_suspended_or_external_ollama_are_stopped(self, change: dict[str, Any]) -> None:
        wanted = SpeechPipeline.parse(pipeline(change))
        found = Snapshot(pods=(ollama_pod(),), pulls={(VOLUME, "llama3"): pulling()})

        assert len(plan_models(wanted, found, NOON, 11434).stops) == 1
