"""Which model is pulled where and when, which pods may take requests, and what the status says of it."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.pipelines import of_ollama, pipeline
from fakes.planned_cluster import NOON, PlannedCluster
from speechoperator.api import SpeechPipeline
from speechoperator.api.names import MODELS_READY
from speechoperator.plan.actions import SetGate, StartPull, StopPull
from speechoperator.plan.models.lifecycle import Models, models
from speechoperator.plan.models.names import canonical
from speechoperator.plan.models.pull_errors import advice, retry_at
from speechoperator.plan.snapshot import EXTERNAL, Health, OllamaPod, Pull, Snapshot

pytestmark = pytest.mark.unit

MISSING = "pull model manifest: file does not exist"


def ollama_pod(
    name: str = "calls-ollama-a",
    claim: str | None = "calls-ollama",
    gate: tuple[str, str] | None = None,
    ip: str = "10.0.0.7",
) -> dict[str, Any]:
    volume = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
    conditions = (
        [{"type": MODELS_READY, "status": gate[0], "reason": "ModelsPresent", "message": gate[1]}] if gate else []
    )
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {"app.kubernetes.io/component": "ollama"}},
        "spec": {"readinessGates": [{"conditionType": MODELS_READY}], "volumes": [{"name": "cache", **volume}]},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "conditions": conditions,
            "containerStatuses": [{"name": "ollama", "ready": True, "state": {"running": {}}}],
        },
    }


def leaving(pod: dict[str, Any]) -> dict[str, Any]:
    return pod | {"metadata": pod["metadata"] | {"deletionTimestamp": "2026-11-23T12:00:00Z"}}


def has(*names: str) -> OllamaPod:
    return OllamaPod(reachable=True, models=dict.fromkeys(names, "digest"))


def decide(
    *wanted: str | dict[str, Any],
    pods: tuple[dict[str, Any], ...] = (),
    said: dict[str, OllamaPod] | None = None,
    pulls: tuple[Pull, ...] = (),
    offers: tuple[str, ...] = (),
    **ollama: Any,
) -> Models:
    named = [one if isinstance(one, dict) else {"name": one} for one in wanted or ("llama3",)]
    spec = SpeechPipeline.parse(pipeline(of_ollama(models=named, **ollama))).spec
    found = Snapshot(pods=pods, ollama=said or {}, pulls={(pull.volume, pull.model): pull for pull in pulls})
    return models(spec, found, NOON, 11434, offers)


def pulling(model: str = "llama3", volume: str = "claim:calls-ollama", **more: Any) -> Pull:
    return Pull(model, volume, "Pulling", **more)


def failed(model: str = "llama3", attempts: int = 1, error: str = MISSING, volume: str = "claim:calls-ollama") -> Pull:
    return Pull(model, volume, "Failed", error=error, attempts=attempts, retry_at=retry_at(attempts, NOON))


class TestNames:
    @pytest.mark.parametrize(
        "same",
        ["llama3", "llama3:latest", "Llama3", "library/llama3", "registry.ollama.ai/library/llama3:latest"],
    )
    def test_same(self, same: str) -> None:
        assert canonical(same) == "llama3:latest"

    @pytest.mark.parametrize(
        ("name", "full"),
        [
            ("qwen3:4b", "qwen3:4b"),
            ("team/llama3", "team/llama3:latest"),
            ("registry:5000/library/llama3", "registry:5000/library/llama3:latest"),
            ("registry:5000/library/llama3:8b", "registry:5000/library/llama3:8b"),
        ],
    )
    def test_others(self, name: str, full: str) -> None:
        assert canonical(name) == full


class TestPulls:
    def test_what_is_missing_is_pulled(self) -> None:
        found = decide({"name": "llama3", "insecure": True}, pods=(ollama_pod(),), said={"calls-ollama-a": has()})

        address = "http://10.0.0.7:11434"
        volume = "claim:calls-ollama"
        assert found.pulls == (StartPull("calls-ollama-a", address, volume, "llama3", "llama3", insecure=True),)

    def test_from_where_the_spec_says(self) -> None:
        wanted = {"name": "llama3", "source": "registry:5000/library/llama3"}

        (pull,) = decide(wanted, pods=(ollama_pod(),), said={"calls-ollama-a": has()}).pulls

        assert (pull.model, pull.source) == ("llama3", "registry:5000/library/llama3")

    def test_what_is_there_is_not(self) -> None:
        assert not decide("llama3", pods=(ollama_pod(),), said={"calls-ollama-a": has("llama3:latest")}).pulls

    def test_the_default_model_first_and_one_at_a_time(self) -> None:
        (pull,) = decide("llama3", "qwen3:4b", pods=(ollama_pod(),), said={"calls-ollama-a": has()}).pulls

        assert pull.model == "llama3"

    def test_nothing_while_something_is_pulled_into_the_volume(self) -> None:
        pods, said = (ollama_pod(),), {"calls-ollama-a": has()}

        assert not decide("llama3", "qwen3:4b", pods=pods, said=said, pulls=(pulling("qwen3:4b"),)).pulls

    def test_once_into_a_volume_that_pods_share(self) -> None:
        pods = (ollama_pod("a"), ollama_pod("b"))

        assert [pull.pod for pull in decide(pods=pods, said={"a": has(), "b": has()}).pulls] == ["a"]

    def test_into_every_pod_that_has_a_disk_of_its_own(self) -> None:
        pods = (ollama_pod("a", claim=None), ollama_pod("b", claim=None))

        found = decide(pods=pods, said={"a": has(), "b": has()}, pulls=(pulling(volume="pod:a"),))

        assert [(pull.pod, pull.volume) for pull in found.pulls] == [("b", "pod:b")]

    @pytest.mark.parametrize("said", [None, OllamaPod(reachable=False, detail="connection refused")])
    def test_nothing_by_a_pod_that_does_not_answer(self, said: OllamaPod | None) -> None:
        found = decide(pods=(ollama_pod(),), said={"calls-ollama-a": said} if said else {})

        assert not found.pulls
        assert found.requeue_after == 2

    def test_nothing_by_a_pod_on_its_way_out(self) -> None:
        assert not decide(pods=(leaving(ollama_pod()),), said={"calls-ollama-a": has()}).pulls

    def test_nothing_where_ollama_runs_elsewhere(self) -> None:
        found = decide(url="http://box:11434", said={EXTERNAL: has()})

        assert not found.pulls
        assert found.states[0].message == "http://box:11434 does not have it: run `ollama pull llama3` there"

    def test_addresses_of_ipv6(self) -> None:
        (pull,) = decide(pods=(ollama_pod(ip="fd00::7"),), said={"calls-ollama-a": has()}).pulls

        assert pull.address == "http://[fd00::7]:11434"


class TestRetries:
    @pytest.mark.parametrize(
        ("attempts", "seconds"), [(0, 5), (1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (5000, 300)]
    )
    def test_the_wait_doubles_up_to_five_minutes(self, attempts: int, seconds: int) -> None:
        assert (retry_at(attempts, NOON) - NOON).total_seconds() == seconds

    def test_a_failed_pull_waits_and_the_others_go_on(self) -> None:
        found = decide("llama3", "qwen3:4b", pods=(ollama_pod(),), said={"calls-ollama-a": has()}, pulls=(failed(),))

        assert [pull.model for pull in found.pulls] == ["qwen3:4b"]

    def test_it_starts_again_in_time(self) -> None:
        now = replace(failed(), retry_at=NOON)
        pods, said = (ollama_pod(),), {"calls-ollama-a": has()}

        assert decide(pods=pods, said=said, pulls=(failed(),)).requeue_after == 5
        assert [pull.model for pull in decide(pods=pods, said=said, pulls=(now,)).pulls] == ["llama3"]


class TestStops:
    @pytest.mark.parametrize("pull", [pulling("gone"), failed("gone")])
    def test_a_model_that_left_the_spec(self, pull: Pull) -> None:
        found = decide(pods=(ollama_pod(),), said={"calls-ollama-a": has()}, pulls=(pull,))

        assert found.stops == (StopPull("claim:calls-ollama", "gone", "gone left the spec"),)

    def test_a_pod_on_its_way_out_would_wait_for_its_pull(self) -> None:
        pods = (leaving(ollama_pod("a")), ollama_pod("b"))

        (stop,) = decide(pods=pods, said={"b": has()}, pulls=(pulling(pod="a"),)).stops

        assert stop.reason == "pod a is on its way out"
        assert not decide(pods=pods, said={"b": has()}, pulls=(pulling(pod="b"),)).stops

    def test_no_pod_has_the_volume(self) -> None:
        assert decide(pulls=(failed(),)).stops

    def test_somebody_else_brought_the_model(self) -> None:
        assert decide(pods=(ollama_pod(),), said={"calls-ollama-a": has("llama3:latest")}, pulls=(failed(),)).stops

    def test_a_pull_that_is_about_to_end_ends_by_itself(self) -> None:
        found = decide(pods=(ollama_pod(),), said={"calls-ollama-a": has("llama3:latest")}, pulls=(pulling(),))

        assert not found.stops

    @pytest.mark.parametrize("change", [{"suspend": True}, of_ollama(url="http://box:11434")])
    def test_nobody_needs_it(self, change: dict[str, Any]) -> None:
        spec = SpeechPipeline.parse(pipeline(change)).spec
        found = Snapshot(pods=(ollama_pod(),), pulls={("claim:calls-ollama", "llama3"): pulling()})

        assert len(models(spec, found, NOON, 11434).stops) == 1


class TestGates:
    def test_opens_with_all_models(self) -> None:
        found = decide(
            "llama3", "qwen3:4b", pods=(ollama_pod(),), said={"calls-ollama-a": has("llama3:latest", "qwen3:4b")}
        )

        message = "llama3:latest, qwen3:4b"
        assert found.gates == (
            SetGate("calls-ollama-a", ready=True, reason="ModelsPresent", message=message, uid="uid-calls-ollama-a"),
        )

    def test_stays_closed_while_one_is_missing(self) -> None:
        (gate,) = decide(
            "llama3", "qwen3:4b", pods=(ollama_pod(),), said={"calls-ollama-a": has("llama3:latest")}
        ).gates

        assert (gate.ready, gate.reason, gate.message) == (False, "ModelsMissing", "not there yet: qwen3:4b")

    def test_is_not_written_again(self) -> None:
        pods = (ollama_pod(gate=("True", "llama3:latest")),)

        assert not decide(pods=pods, said={"calls-ollama-a": has("llama3:latest")}).gates

    def test_stays_open_while_a_model_is_added(self) -> None:
        pods = (ollama_pod(gate=("True", "llama3:latest")),)

        assert not decide("llama3", "new", pods=pods, said={"calls-ollama-a": has("llama3:latest")}).gates

    def test_stays_open_while_another_default_comes(self) -> None:
        pods = (ollama_pod(gate=("True", "llama3:latest")),)
        said = {"calls-ollama-a": has("llama3:latest")}

        found = decide("new", "llama3", pods=pods, said=said, offers=("llama3",))

        assert not found.gates
        assert found.offered == ("llama3",)

    def test_closes_when_the_default_is_gone(self) -> None:
        pods = (ollama_pod(gate=("True", "llama3:latest")),)

        (gate,) = decide("llama3", pods=pods, said={"calls-ollama-a": has("other")}).gates

        assert not gate.ready

    @pytest.mark.parametrize("said", [{}, {"calls-ollama-a": OllamaPod(reachable=False)}])
    def test_nothing_known_nothing_changed(self, said: dict[str, OllamaPod]) -> None:
        assert not decide(pods=(ollama_pod(gate=("True", "llama3:latest")),), said=said).gates

    def test_a_pod_without_the_gate_is_left_alone(self) -> None:
        pod = ollama_pod()
        pod["spec"]["readinessGates"] = []

        assert not decide(pods=(pod,), said={"calls-ollama-a": has("llama3:latest")}).gates


class TestStates:
    def test_ready_only_where_every_pod_has_it(self) -> None:
        pods = (ollama_pod("a", claim=None), ollama_pod("b", claim=None))

        one = decide(pods=pods, said={"a": has("llama3:latest"), "b": has()}).states[0]
        both = decide(pods=pods, said={"a": has("llama3:latest"), "b": has("llama3")}).states[0]

        assert (one.stage, one.replicas_ready) == ("Pending", 1)
        assert (both.stage, both.replicas_ready) == ("Ready", 2)

    def test_what_a_pod_had_counts_while_it_cannot_be_asked(self) -> None:
        pods = (ollama_pod(gate=("True", "llama3:latest")),)

        state = decide(pods=pods, said={"calls-ollama-a": OllamaPod(reachable=False, detail="timeout")}).states[0]

        assert state.stage == "Ready"

    def test_progress_of_the_pull_that_is_furthest_behind(self) -> None:
        pods = (ollama_pod("a", claim=None), ollama_pod("b", claim=None))
        pulls = (
            pulling(volume="pod:a", completed=900, total=1000, rate=10),
            pulling(volume="pod:b", completed=500, total=1000, rate=10),
        )

        state = decide(pods=pods, said={"a": has(), "b": has()}, pulls=pulls).states[0]

        assert (state.stage, state.completed, state.total, state.eta) == ("Pulling", 500, 1000, 50)

    @pytest.mark.parametrize(
        ("left", "eta"),
        [(0, 0), (10.2, 11), (30, 30), (61, 65), (300, 300), (3601, 3630)],
        ids=lambda value: f"{value}",
    )
    def test_an_estimate_says_no_more_than_it_knows(self, left: float, eta: int) -> None:
        pull = (
            pulling(completed=0, total=round(left * 1000), rate=1000) if left else pulling(completed=1, total=1, rate=1)
        )

        assert decide(pods=(ollama_pod(),), said={"calls-ollama-a": has()}, pulls=(pull,)).states[0].eta == eta

    @pytest.mark.parametrize(
        "pull", [pulling(), pulling(total=10), pulling(rate=10), pulling(total=10, rate=float("nan"))]
    )
    def test_no_estimate_while_nothing_is_known(self, pull: Pull) -> None:
        state = decide(pods=(ollama_pod(),), said={"calls-ollama-a": has()}, pulls=(pull,)).states[0]

        assert state.eta is None

    def test_a_failure_in_ollamas_words_with_what_to_do(self) -> None:
        pods, said = (ollama_pod(),), {"calls-ollama-a": has()}

        state = decide(pods=pods, said=said, pulls=(failed(attempts=3),)).states[0]

        assert state.stage == "Failed"
        assert state.message == (
            f"{MISSING}. The registry has no model of this name. Tried 3 times, again at 2026-11-23T12:00:20Z"
        )

    def test_a_new_try_counts_as_failed_until_it_brought_something(self) -> None:
        pods, said = (ollama_pod(),), {"calls-ollama-a": has()}
        again = pulling(error=MISSING, attempts=2)

        assert decide(pods=pods, said=said, pulls=(again,)).states[0].stage == "Failed"

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            ("write /cache/models/blobs/x: no space left on device", "ollama.cache.size"),
            ("http: server gave HTTP response to HTTPS client", "insecure: true"),
            (
                "pull model manifest: 412: The model you are attempting to pull requires a newer version of Ollama",
                "newer",
            ),
            ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "trust"),
            ("dial tcp: lookup registry.ollama.ai on 10.96.0.10:53: no such host", "resolve"),
            ("dial tcp 34.36.133.15:443: i/o timeout", "reach"),
            ("something else", ""),
        ],
    )
    def test_advice(self, error: str, words: str) -> None:
        assert words in advice(error)
        assert bool(words) == bool(advice(error))


class TestOffered:
    """What the bridge offers while models come and go."""

    POD = (ollama_pod(gate=("True", "llama3:latest")),)
    SAID = {"calls-ollama-a": has("llama3:latest", "mistral:latest")}  # noqa: RUF012 - nobody writes to it

    @pytest.mark.parametrize(
        ("wanted", "offers", "offered"),
        [
            pytest.param(("llama3", "new"), (), None, id="before there are bridges: all"),
            pytest.param(("llama3", "mistral"), ("llama3",), None, id="all are there: all"),
            pytest.param(("llama3", "new"), ("llama3",), ("llama3",), id="a new one waits"),
            pytest.param(("new", "llama3"), ("llama3",), ("llama3",), id="a new default waits"),
            pytest.param(
                ("new", "mistral", "llama3"), ("llama3",), ("mistral", "llama3"), id="what has come is offered"
            ),
            pytest.param(("new",), ("llama3",), ("llama3",), id="the old one stays until the new one is there"),
            pytest.param(("new", "llama3"), ("old", "llama3"), ("llama3",), id="what left the spec goes"),
        ],
    )
    def test_offered(self, wanted: tuple[str, ...], offers: tuple[str, ...], offered: tuple[str, ...] | None) -> None:
        assert decide(*wanted, pods=self.POD, said=self.SAID, offers=offers).offered == offered


class TestInThePlan:
    """The same, seen in a whole pipeline."""

    def named(self, *names: str) -> dict[str, Any]:
        spec: dict[str, Any] = pipeline(of_ollama(models=[{"name": name} for name in names]))["spec"]
        return spec

    def running(self, *names: str) -> PlannedCluster:
        found = PlannedCluster(pipeline(of_ollama(models=[{"name": name} for name in names])))
        found.run()
        return found

    def reason(self, found: PlannedCluster, kind: str) -> str:
        said: str = next(one for one in found.plan().status["conditions"] if one["type"] == kind)["reason"]
        return said

    def bridges_offer(self, found: PlannedCluster) -> str:
        offered: str = found.object("ConfigMap", "calls-bridge")["data"]["MODELS"]
        return offered

    def test_a_model_that_is_added_takes_no_pod_out_and_is_offered_when_it_is_there(self) -> None:
        found = self.running("llama3")
        found.edit(self.named("new", "llama3"))

        found.step()
        found.step()
        assert [pull.model for pull in found.pulls.values()] == ["new"]
        assert self.bridges_offer(found) == "llama3"
        assert self.reason(found, "OllamaAvailable") == "Available"
        assert self.reason(found, "ModelsReady") == "ModelsPulling"
        assert self.reason(found, "Ready") == "ModelsPulling"

        found.run()
        assert self.bridges_offer(found) == "new,llama3"
        assert self.reason(found, "Ready") == "Ready"

    def test_a_hand_that_took_a_model_from_the_bridge_is_set_right(self) -> None:
        found = self.running("llama3", "mistral")
        found.object("ConfigMap", "calls-bridge")["data"]["MODELS"] = "mistral"
        found.pods = [pod for pod in found.pods if pod not in found.pods_of("ollama")]

        found.step()

        assert self.bridges_offer(found) == "llama3,mistral"

    def test_a_pull_that_fails_is_told_with_its_error_and_tried_again(self) -> None:
        found = PlannedCluster(pipeline())
        found.step()
        found.settle()
        found.step()
        found.fail_pull(MISSING)

        plan = found.step()
        assert [event.reason for event in plan.events] == ["PullFailed"]
        assert plan.requeue_after == 5
        assert MISSING in plan.status["models"][0]["message"]
        assert self.reason(found, "Ready") == "PullFailed"
        assert self.reason(found, "Progressing") == "PullFailed"

        found.later(5)
        again = found.step()
        assert [pull.model for pull in again.pulls] == ["llama3"]
        assert not again.events
        found.run()
        assert self.reason(found, "Ready") == "Ready"

    def test_an_ollama_elsewhere_without_the_model(self) -> None:
        found = PlannedCluster(pipeline(of_ollama(url="http://box:11434")))
        found.answers = {"ollama": Health(healthy=True)}

        found.run()

        assert self.reason(found, "ModelsReady") == "ModelsMissing"
        assert self.reason(found, "OllamaAvailable") == "Available"

    def test_an_ollama_that_cannot_be_asked(self) -> None:
        found = PlannedCluster(pipeline())
        found.step()
        found.settle()
        pod = found.pods_of("ollama")[0]["metadata"]["name"]
        answer = replace(found.snapshot(), ollama={pod: OllamaPod(reachable=False, detail="timeout")})
        found.snapshot = lambda: answer  # type: ignore[method-assign]

        assert self.reason(found, "ModelsReady") == "OllamaUnreachable"

    def test_numbers_of_a_pull_are_in_the_models_and_nowhere_else(self) -> None:
        found = PlannedCluster(pipeline())
        found.step()
        found.settle()
        found.step()
        ((key, pull),) = found.pulls.items()
        found.step()

        found.pulls[key] = replace(pull, completed=10, total=100, rate=9)
        plan = found.plan()

        model = {"name": "llama3", "stage": "Pulling", "completedBytes": 10, "totalBytes": 100, "etaSeconds": 10}
        assert plan.status["models"] == [model | {"replicasReady": 0}]
        assert plan.status["conditions"] == found.raw["status"]["conditions"]
