"""Which models are pulled where and when, and which pulls are stopped."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.ollama_snapshots import POD, VOLUME, decide, failed, has, ollama_pod, pulling, terminating
from fakes.planned_cluster import NOON, converged, verdict
from speechoperator.api import SpeechPipeline
from speechoperator.plan.actions import StartPull, StopPull
from speechoperator.plan.models.definitions import marker, source_marker
from speechoperator.plan.models.lifecycle import ModelPlan, plan_models
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


class TestDerived:
    MODEL: ClassVar[dict[str, Any]] = {"name": "support", "from": "llama3", "system": "Be brief."}
    DEFINED: ClassVar[dict[str, Any]] = {"from": "llama3", "system": "Be brief."}

    def test_a_derived_model_is_created_from_its_base(self) -> None:
        (pull,) = decide(self.MODEL, pods=(ollama_pod(),), answers={POD: has()}).pulls

        assert (pull.model, pull.source, pull.definition) == ("support", "llama3", self.DEFINED)

    def test_one_with_its_marker_is_current(self) -> None:
        present = has("support", "llama3", marker("support", self.DEFINED, "digest"))

        assert not decide(self.MODEL, pods=(ollama_pod(),), answers={POD: present}).pulls

    @pytest.mark.parametrize(
        "models",
        [
            pytest.param({"support": "digest", "llama3": "digest"}, id="an older definition"),
            pytest.param({"support": "digest", "llama3": "newer"}, id="another base"),
            pytest.param({"support": "by hand", "llama3": "digest"}, id="changed by hand"),
            pytest.param({"support": "digest"}, id="no base"),
        ],
    )
    def test_an_outdated_one_is_created_again_and_serves_meanwhile(self, models: dict[str, str]) -> None:
        marked = marker("support", self.DEFINED if models.get("support") == "by hand" else {"from": "x"}, "digest")
        present = OllamaPod(reachable=True, models={**models, marked: "digest"})

        found = decide(
            self.MODEL, pods=(ollama_pod(),), answers={POD: present}, offers=("support",), required=("support:latest",)
        )

        assert [pull.model for pull in found.pulls] == ["support"]
        assert found.offered == ("support",)


class TestSources:
    """A model that another source has given is pulled again; one of which that is unknown is adopted."""

    NEW: ClassVar[dict[str, Any]] = {"name": "llama3", "source": "b/other:v9"}

    def found(self, model: dict[str, Any], models: dict[str, str], **more: Any) -> ModelPlan:
        present = OllamaPod(reachable=True, models=models)
        return decide(model, pods=(ollama_pod(),), answers={POD: present}, offers=("llama3",), **more)

    @pytest.mark.parametrize(
        "before",
        [
            pytest.param(source_marker("llama3", "a/llama3:v1"), id="another source"),
            pytest.param(source_marker("llama3", "llama3"), id="none"),
            pytest.param(marker("llama3", {"from": "phi4"}, "digest"), id="a derived model"),
        ],
    )
    def test_one_from_another_source_is_pulled_and_serves_meanwhile(self, before: str) -> None:
        found = self.found(self.NEW, {"llama3:latest": "v1", before: "v1"})

        assert [(pull.source, pull.adopt, pull.refresh) for pull in found.pulls] == [("b/other:v9", False, False)]
        assert found.states[0].stage == "Pending"
        assert found.offered == ("llama3",)

    def test_one_without_a_source_any_more_is_pulled_by_its_name(self) -> None:
        (pull,) = self.found(
            {"name": "llama3"}, {"llama3:latest": "v1", source_marker("llama3", "b/other:v9"): "v1"}
        ).pulls

        assert (pull.source, pull.adopt) == ("llama3", False)

    def test_the_pipeline_is_ready_again_with_the_model_from_the_new_source(self) -> None:
        found = converged(of_ollama(models=[{"name": "llama3", "source": "a/llama3:v1"}]))
        found.edit(pipeline(of_ollama(models=[self.NEW]))["spec"])

        (pull,) = found.step().pulls
        assert pull.source == "b/other:v9"
        assert verdict(found.plan(), "Ready")[0] == "False"
        assert verdict(found.run(), "Ready")[0] == "True"

    def test_one_from_this_source_is_current(self) -> None:
        found = self.found(self.NEW, {"llama3:latest": "v9", source_marker("llama3", "b/other:v9"): "v9"})

        assert (found.pulls, found.states[0].stage) == ((), "Ready")

    def test_one_that_nothing_marks_is_adopted(self) -> None:
        """An older operator has pulled it, or it was put there by hand, with no registry in reach."""
        found = self.found(self.NEW, {"llama3:latest": "v1", source_marker("llama3", "a/llama3:v1"): "older"})

        assert [(pull.source, pull.adopt) for pull in found.pulls] == [("b/other:v9", True)]
        assert found.states[0].stage == "Ready"

    def test_an_adoption_that_fails_is_retried_with_backoff(self) -> None:
        found = self.found(self.NEW, {"llama3:latest": "v1"}, pulls=(failed(),))

        assert (found.pulls, found.stops, found.requeue_after) == ((), (), 5)

    def test_one_without_a_source_that_nothing_marks_is_adopted_once(self) -> None:
        found = self.found({"name": "llama3"}, {"llama3:latest": "v1"})
        afterwards = self.found({"name": "llama3"}, {"llama3:latest": "v1", source_marker("llama3", "llama3"): "v1"})

        assert [(pull.source, pull.adopt) for pull in found.pulls] == [("llama3", True)]
        assert (found.states[0].stage, found.waiting) == ("Ready", frozenset())
        assert afterwards.pulls == ()

    def test_the_first_source_of_a_model_of_an_older_operator_is_pulled(self) -> None:
        """It had none before, and nothing marked the model."""
        found = converged(of_ollama(models=[{"name": "llama3"}]))
        found.stored[VOLUME] = {"llama3:latest"}

        adopted = found.step()
        found.run()
        found.edit(pipeline(of_ollama(models=[self.NEW]))["spec"])

        assert [(pull.source, pull.adopt) for pull in adopted.pulls] == [("llama3", True)]
        assert verdict(adopted, "Ready")[0] == "True"
        assert [(pull.source, pull.adopt) for pull in found.step().pulls] == [("b/other:v9", False)]

    def test_one_that_is_missing_comes_before_an_adoption(self) -> None:
        present = OllamaPod(reachable=True, models={"llama3:latest": "v1"})

        (pull,) = decide("llama3", "qwen3:70b", pods=(ollama_pod(),), answers={POD: present}).pulls

        assert (pull.model, pull.adopt) == ("qwen3:70b", False)


class TestSharedVolumes:
    """What another pipeline defines is left to it; else the two would replace it in turns, for ever."""

    OWN: ClassVar[dict[str, Any]] = {"name": "support", "from": "llama3", "system": "Be brief."}
    OTHERS: ClassVar[dict[str, Any]] = {"name": "support", "from": "llama3", "system": "Be polite."}
    THEIRS = marker("support", {"from": "llama3", "system": "Be polite."}, "base")

    def found(self, mark: str, model: dict[str, Any] = OWN, other: dict[str, Any] = OTHERS) -> ModelPlan:
        present = OllamaPod(reachable=True, models={"llama3:latest": "base", "support:latest": "made", mark: "made"})
        return decide(model, pods=(ollama_pod(),), answers={POD: present}, defined=(other,), offers=("support",))

    def test_a_derived_model_that_another_pipeline_defines_is_not_created(self) -> None:
        found = self.found(self.THEIRS)

        assert found.pulls == ()
        assert found.states[0].stage == "Failed"
        assert found.states[0].message == (
            "pipeline other defines another model of this name on the same volume. "
            "Rename one of them, or use separate volumes"
        )

    def test_the_other_pipeline_sees_its_own(self) -> None:
        found = self.found(self.THEIRS, model=self.OTHERS, other=self.OWN)

        assert (found.pulls, found.states[0].stage) == ((), "Ready")

    def test_one_of_which_neither_definition_is_current_is_created(self) -> None:
        """The base has changed: whoever comes first creates it."""
        outdated = marker("support", {"from": "llama3", "system": "Be polite."}, "base before")

        assert [pull.model for pull in self.found(outdated).pulls] == ["support"]

    def test_one_that_both_define_alike_is_created_by_either(self) -> None:
        outdated = marker("support", {"from": "llama3", "system": "Be brief."}, "base before")

        assert [pull.model for pull in self.found(outdated, other=self.OWN).pulls] == ["support"]

    def test_a_source_of_another_pipeline_is_left_to_it_too(self) -> None:
        own, other = ({"name": "support", "source": f"registry:5000/library/{name}"} for name in ("a", "b"))

        found = self.found(source_marker("support", "registry:5000/library/b"), own, other)

        assert (found.pulls, found.states[0].stage) == ((), "Failed")

    @pytest.mark.parametrize("more", [{}, {"pullPolicy": "Always"}])
    def test_a_model_without_a_source_may_come_from_that_of_another(self, more: dict[str, Any]) -> None:
        other = {"name": "support", "source": "registry:5000/library/b"}

        found = self.found(source_marker("support", "registry:5000/library/b"), {"name": "support", **more}, other)

        assert (found.pulls, found.states[0].stage) == ((), "Ready")

    @pytest.mark.parametrize(
        ("other", "adopts"),
        [
            pytest.param({"name": "support"}, [True], id="alike"),
            pytest.param({"name": "support", "source": "registry:5000/library/b"}, [], id="from a source"),
            pytest.param({"name": "support", "from": "llama3"}, [], id="derived"),
        ],
    )
    def test_one_that_nothing_marks_is_left_to_whoever_says_where_it_is_from(
        self, other: dict[str, Any], adopts: list[bool]
    ) -> None:
        found = self.found("mistral:latest", {"name": "support"}, other)

        assert [pull.adopt for pull in found.pulls] == adopts
        assert found.states[0].stage == "Ready"


class TestVolumesOfOthers:
    """On a folder of a node, others are known by their specs; on a volume from `podTemplate` they are not."""

    MARK = source_marker("llama3", "registry:5000/library/llama3")
    NFS: ClassVar[dict[str, Any]] = {"nfs": {"server": "nas", "path": "/models"}}
    TEAM: ClassVar[dict[str, Any]] = {"persistentVolumeClaim": {"claimName": "models-of-the-team"}}
    FOLDER: ClassVar[dict[str, Any]] = {"hostPath": {"path": "/models"}}
    NODE: ClassVar[dict[str, Any]] = {"cache": {"nodePath": "/models"}}

    def found(self, volume: dict[str, Any], model: dict[str, Any], models: dict[str, str], **more: Any) -> ModelPlan:
        pod = ollama_pod() | {"spec": {"volumes": [{"name": "cache", **volume}], "nodeName": "node-1"}}
        present = OllamaPod(reachable=True, models=models)
        return decide(model, pods=(pod,), answers={POD: present}, offers=("llama3",), **more)

    @pytest.mark.parametrize("volume", [NFS, TEAM, FOLDER])
    @pytest.mark.parametrize("source", [{}, {"source": "b/other:v9"}])
    def test_one_from_another_source_stays_where_others_are_unknown(
        self, volume: dict[str, Any], source: dict[str, str]
    ) -> None:
        """Two pipelines, or two clusters, would replace the model of each other in turns, for ever."""
        found = self.found(volume, {"name": "llama3", **source}, {"llama3:latest": "v1", self.MARK: "v1"})

        assert (found.pulls, found.states[0].stage) == ((), "Ready")

    def test_one_that_another_pipeline_defines_on_the_folder_stays(self) -> None:
        other = ({"name": "llama3", "source": "registry:5000/library/llama3"},)
        models = {"llama3:latest": "v1", self.MARK: "v1"}

        plain = self.found(self.FOLDER, {"name": "llama3"}, models, defined=other, on="node:node-1/models", **self.NODE)
        sourced = self.found(self.FOLDER, TestSources.NEW, models, defined=other, on="node:node-1/models", **self.NODE)

        assert (plain.pulls, plain.states[0].stage) == ((), "Ready")
        assert (sourced.pulls, sourced.states[0].stage) == ((), "Failed")

    def test_a_new_source_is_pulled_into_a_folder_that_nobody_else_defines(self) -> None:
        (pull,) = self.found(self.FOLDER, TestSources.NEW, {"llama3:latest": "v1", self.MARK: "v1"}, **self.NODE).pulls

        assert (pull.volume, pull.source, pull.adopt) == ("node:node-1/models", "b/other:v9", False)

    def test_a_model_that_nothing_marks_stays_so_where_others_are_unknown(self) -> None:
        assert self.found(self.NFS, {"name": "llama3"}, {"llama3:latest": "v1"}).pulls == ()


class TestAlways:
    MODEL: ClassVar[dict[str, Any]] = {"name": "llama3", "pullPolicy": "Always", "refreshInterval": "1h"}

    def found(self, **more: Any) -> ModelPlan:
        return decide(self.MODEL, pods=(ollama_pod(),), answers={POD: has("llama3:latest")}, **more)

    def test_a_model_is_pulled_again_after_its_interval(self) -> None:
        recent = self.found(refreshed={(VOLUME, "llama3"): NOON - timedelta(minutes=50)})
        due = self.found(refreshed={(VOLUME, "llama3"): NOON - timedelta(hours=1)})

        assert (recent.pulls, recent.requeue_after) == ((), 600)
        assert [(pull.model, pull.refresh) for pull in due.pulls] == [("llama3", True)]
        assert due.states[0].stage == "Ready", "it serves meanwhile"

    def test_a_missing_model_comes_before_one_that_is_there(self) -> None:
        (pull,) = decide(self.MODEL, "qwen3:70b", pods=(ollama_pod(),), answers={POD: has("llama3:latest")}).pulls

        assert pull.model == "qwen3:70b"

    def test_after_a_restart_the_status_says_when_it_was_pulled(self) -> None:
        status = {"models": [{"name": "llama3", "pulledAt": "2026-11-23T11:30:00Z"}]}

        found = self.found(status=status)

        assert (found.pulls, found.requeue_after) == ((), 1800)
        assert found.states[0].pulled_at == NOON - timedelta(minutes=30)

    def test_a_failed_attempt_keeps_the_model_and_is_retried_with_backoff(self) -> None:
        """A registry that is down is no reason to be unready."""
        found = self.found(pulls=(failed(),))

        assert (found.pulls, found.stops, found.requeue_after) == ((), (), 5)
        assert found.states[0].stage == "Ready"
        assert "file does not exist" in found.states[0].message

    def test_a_model_with_if_not_present_is_pulled_once(self) -> None:
        assert not decide(pods=(ollama_pod(),), answers={POD: has("llama3:latest")}).pulls


class TestCapacity:
    def test_the_limit_of_an_emptydir_is_certain(self) -> None:
        cache = {"ephemeral": True, "size": "1Gi"}

        (pull,) = decide(pods=(ollama_pod(pvc=None),), answers={POD: has()}, cache=cache).pulls

        assert pull.capacity == 2**30

    def test_models_that_are_there_take_a_part_of_it(self) -> None:
        """One with two names counts once, and a derived one has the weights of its base."""
        derived = marker("support", {"from": "mistral"}, "m")
        pulled = source_marker("mistral", "mistral")
        models = {"mistral:latest": "m", "mistral:7b": "m", "support:latest": "s", derived: "s", "qwen3:4b": "q"}
        models |= {pulled: "m"}
        there = OllamaPod(reachable=True, models=models, sizes={**dict.fromkeys(models, 4_000), "qwen3:4b": 3_000})
        pods = (ollama_pod("a", pvc=None), ollama_pod("b", pvc=None))

        pulls = decide(pods=pods, answers={"a": there, "b": has()}, cache={"ephemeral": True}).pulls

        assert [(pull.volume, pull.used) for pull in pulls] == [("pod:a", 7_000), ("pod:b", 0)]

    def test_the_size_of_a_pvc_is_not(self) -> None:
        (pull,) = decide(pods=(ollama_pod(),), answers={POD: has()}, cache={"size": "1Gi"}).pulls

        assert pull.capacity == 0


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
