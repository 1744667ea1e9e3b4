"""One reconcile of one pipeline: observe, plan, apply, report."""

import pytest

from fakes.reconciler_bench import FORBIDDEN, KEY, SPEC, Bench, pipeline
from speechoperator.errors import NotLeadingError
from speechoperator.kube import objects
from speechoperator.kube.errors import ApiError, Request
from speechoperator.kube.objects import Key
from speechoperator.reconciler import Result
from speechoperator.settings import Settings
from speechoperator.watch.store import Scope

pytestmark = pytest.mark.unit


async def test_everything_is_made_and_then_nothing_is_written(bench: Bench) -> None:
    await bench.once()
    made = {(kind, name) for kind, _, name in bench.api.objects}
    assert {("Deployment", f"p-{part}") for part in ("whisper", "ollama", "bridge")} < made
    assert bench.condition("Accepted")["status"] == "True"
    await bench.once()
    assert bench.api.writes == []


async def test_every_write_says_why(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "speechoperator")
    await bench.once()
    wrote = [record.__dict__["fields"] for record in caplog.records if record.message == "wrote"]
    assert len(wrote) == len(bench.api.writes)
    assert all(fields["reason"] for fields in wrote)


async def test_what_was_edited_is_put_right_and_the_reason_names_the_field(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.settled()
    bridge = bench.api.find("Deployment", "p-bridge")
    assert bridge
    bridge["spec"]["replicas"] = 7
    bench.api.have(bridge)
    caplog.set_level("INFO", "speechoperator")
    await bench.once()
    repaired = bench.api.find("Deployment", "p-bridge")
    assert repaired
    assert repaired["spec"]["replicas"] == 2
    assert bench.api.written("deployments.apps") == 1
    assert any("spec.replicas is 7, wanted 2" in str(record.__dict__.get("fields")) for record in caplog.records)


async def test_what_left_the_spec_goes(bench: Bench) -> None:
    exposed = pipeline(bridge={"ingress": {"host": "speech.example.com"}})
    bench.api.have(exposed)
    await bench.settled()
    assert bench.api.find("Ingress", "p-bridge")
    bench.api.have(pipeline())
    await bench.settled()
    assert bench.api.find("Ingress", "p-bridge") is None


async def test_a_pvc_that_the_spec_no_longer_asks_for_is_left_without_us_as_its_owner(bench: Bench) -> None:
    keeping = {"models": [{"name": "llama3"}], "cache": {"whenDeleted": "Delete"}}
    bench.api.have(pipeline(ollama=keeping))
    await bench.settled()
    claim = bench.api.find("PersistentVolumeClaim", "p-ollama")
    assert claim
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "theirs"}
    claim["metadata"]["ownerReferences"].append(theirs)
    bench.api.have(claim)

    bench.api.have(pipeline(ollama={**keeping, "cache": {"existingClaim": "mine"}}))
    await bench.once()

    kept = bench.api.find("PersistentVolumeClaim", "p-ollama")
    assert kept
    assert kept["metadata"]["uid"] == claim["metadata"]["uid"]
    assert kept["metadata"]["labels"] == claim["metadata"]["labels"], "it is found by them"
    assert kept["metadata"]["ownerReferences"] == [theirs]
    assert not (await bench.once()).rejected
    assert bench.api.writes == []


async def test_pods_move_to_an_existing_claim_only_once_it_is_there(bench: Bench) -> None:
    await bench.settled()
    bench.api.have(pipeline(ollama={**SPEC["ollama"], "cache": {"existingClaim": "mine"}}))

    def mounted() -> tuple[str, ...]:
        deployment = bench.api.find("Deployment", "p-ollama")
        assert deployment
        return objects.mounts(deployment["spec"]["template"])

    await bench.once()
    await bench.news()
    await bench.settled()
    assert mounted() == ("p-ollama",)
    assert bench.condition("Ready")["reason"] == "PVCNotFound"

    bench.api.have({"kind": "PersistentVolumeClaim", "metadata": {"name": "mine", "namespace": "team"}})
    await bench.poller.refresh(KEY, "existing PVC")
    await bench.settled()
    assert mounted() == ("mine",)


@pytest.mark.parametrize("when_deleted", ["Delete", "Retain"])
async def test_a_pvc_that_somebody_else_made_is_never_taken_over(bench: Bench, when_deleted: str) -> None:
    """Not even one that agrees with what is wanted, which server-side apply would not call a conflict."""
    bench.api.have(pipeline(ollama={**SPEC["ollama"], "cache": {"whenDeleted": when_deleted}}))
    await bench.settled()
    theirs = bench.api.find("PersistentVolumeClaim", "p-ollama")
    assert theirs
    theirs["metadata"] = {"name": "p-ollama", "namespace": "team", "labels": {"app": "phone"}}
    del bench.api.objects["PersistentVolumeClaim", "team", "p-ollama"]
    before = bench.api.have(theirs)

    await bench.once()

    assert bench.api.find("PersistentVolumeClaim", "p-ollama") == before
    said = bench.condition("Ready")
    assert said["reason"] == "NameConflict"
    assert "Set cache.existingClaim to use it" in said["message"]


@pytest.mark.parametrize("when_deleted", ["Delete", "Retain"])
async def test_a_pvc_that_lost_its_labels_is_still_ours(bench: Bench, when_deleted: str) -> None:
    bench.api.have(pipeline(ollama={**SPEC["ollama"], "cache": {"whenDeleted": when_deleted}}))
    await bench.settled()
    claim = bench.api.find("PersistentVolumeClaim", "p-ollama")
    assert claim
    labels = claim["metadata"].pop("labels")
    bench.api.have(claim)

    await bench.settled()

    repaired = bench.api.find("PersistentVolumeClaim", "p-ollama")
    assert repaired
    assert (repaired["metadata"]["uid"], repaired["metadata"]["labels"]) == (claim["metadata"]["uid"], labels)


async def test_an_orphan_that_went_away_is_no_fault(bench: Bench) -> None:
    bench.api.have(pipeline(ollama={**SPEC["ollama"], "cache": {"whenDeleted": "Delete"}}))
    await bench.settled()
    bench.api.have(pipeline(ollama={**SPEC["ollama"], "cache": {"existingClaim": "mine"}}))
    bench.api.refuse = lambda call: (404, "not found") if call.resource == "persistentvolumeclaims" else None
    assert not (await bench.once()).rejected


async def test_a_refused_write_is_reported_and_the_rest_is_done(bench: Bench) -> None:
    bench.api.refuse = lambda call: (403, FORBIDDEN) if call.name == "p-bridge" and "apps" in call.resource else None
    result = await bench.once()
    assert result.rejected
    assert bench.api.find("Deployment", "p-bridge") is None
    assert bench.api.find("Deployment", "p-ollama")
    said = str(bench.status["conditions"])
    assert "patch" in said
    assert "deployments" in said
    bench.api.refuse = lambda _: None
    assert not (await bench.settled()).rejected
    assert "cannot patch" not in str(bench.status["conditions"])


@pytest.mark.parametrize("status", [0, 401, 429, 500, 503])
async def test_where_all_would_fail_nothing_more_is_tried(bench: Bench, status: int) -> None:
    bench.api.refuse = lambda call: (status, "no") if call.resource == "services" else None
    with pytest.raises(ApiError):
        await bench.once()
    assert bench.api.written("services") == 1
    assert bench.api.written("deployments.apps") == 0


async def test_killed_at_any_write_it_comes_to_the_same_end(bench: Bench) -> None:
    class KilledError(Exception):
        pass

    await bench.settled()
    wanted, status = bench.built(), bench.status
    total = len(wanted) + 1
    for after in range(total):
        bench.api.objects = {place: thing for place, thing in bench.api.objects.items() if place[0] == "SpeechPipeline"}
        del bench.api.objects["SpeechPipeline", "team", "p"]["status"]
        left = after

        def dies(call: Request) -> None:
            nonlocal left
            if call.verb != "list":
                left -= 1
            if left < 0:
                raise KilledError

        bench.start()
        bench.api.refuse = dies
        with pytest.raises(KilledError):
            await bench.once()
        bench.start()
        bench.api.refuse = lambda _: None
        await bench.settled()
        assert bench.built() == wanted
        assert bench.status == status


async def test_nothing_is_written_once_another_may_lead(bench: Bench) -> None:
    bench.time_left = 0.0
    with pytest.raises(NotLeadingError):
        await bench.once()
    assert bench.api.writes == []


async def test_a_pipeline_that_does_not_validate_is_told_so_and_loses_nothing(bench: Bench) -> None:
    await bench.settled()
    before = bench.built()
    bench.api.have(pipeline(ollama={"models": []}))
    await bench.settled()
    assert bench.condition("Accepted")["status"] == "False"
    assert bench.built() == before


async def test_one_that_is_being_deleted_is_left_alone(bench: Bench) -> None:
    gone = pipeline()
    gone["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    bench.api.have(gone)
    assert await bench.once() == Result()
    assert bench.api.writes == []


async def test_nothing_more_is_written_for_one_that_is_deleted_meanwhile(bench: Bench) -> None:
    """Not even a PVC, which would outlive it: with `Retain` it has no owner."""

    def delete(call: Request) -> None:
        if call.resource == "serviceaccounts":
            found = bench.api.find("SpeechPipeline", "p")
            assert found
            found["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
            bench.store.observe("MODIFIED", bench.api.have(found))

    bench.api.refuse = delete
    assert await bench.once() == Result()
    assert {call.resource for call in bench.api.writes} == {"serviceaccounts"}
    assert bench.api.all("PersistentVolumeClaim") == []


async def test_no_pvc_without_an_owner_is_made_for_one_whose_deletion_was_not_noticed(bench: Bench) -> None:
    def delete(call: Request) -> None:
        if call.resource == "serviceaccounts":
            bench.api.objects.pop(("SpeechPipeline", "team", "p"), None)

    bench.api.refuse = delete
    assert await bench.once() == Result()
    assert bench.api.all("PersistentVolumeClaim") == []


async def test_one_that_is_gone_is_forgotten(bench: Bench) -> None:
    await bench.settled()
    bench.api.objects.clear()
    assert await bench.once() == Result()
    assert bench.api.writes == []


async def test_nothing_is_written_while_a_kind_was_never_read(bench: Bench) -> None:
    await bench.once()
    bench.start()
    words = 'services is forbidden: User "op" cannot list resource "services" in API group "" at the cluster scope'
    request = Request("list", "services")
    bench.store.unreadable[Scope("Service", "")] = ApiError(request, 403, "Forbidden", words)
    await bench.once()
    assert {call.resource for call in bench.api.writes} <= {"speechpipelines/status", "events"}
    for kind in ("Ready", "Progressing"):
        assert bench.condition(kind)["reason"] == "ListFailed"
        assert "not allowed to list services" in bench.condition(kind)["message"]


async def test_a_list_that_fails_after_a_restart_makes_no_serving_pipeline_unready(bench: Bench) -> None:
    await bench.settled()
    found = bench.api.find("SpeechPipeline", "p")
    assert found
    [ready] = [one for one in found["status"]["conditions"] if one["type"] == "Ready"]
    ready |= {"status": "True", "reason": "Ready", "message": "serving"}
    bench.api.have(found)
    bench.start()
    bench.store.unreadable[Scope("Service", "")] = ApiError(Request("list", "services"), 410, "Expired", "too old")
    await bench.once()
    assert bench.condition("Ready") == ready
    said = bench.condition("Progressing")
    assert (said["status"], said["reason"]) == ("Unknown", "ListFailed")
    assert bench.status == {**found["status"], "conditions": bench.status["conditions"]}, "the rest stays"


async def test_an_external_service_that_is_down_is_probed_again_and_delays_nothing_else(bench: Bench) -> None:
    bench.api.have(pipeline(whisper={"url": "http://127.0.0.1:1"}))
    await bench.once()
    await bench.news()
    result = await bench.once()
    assert bench.condition("WhisperAvailable")["reason"] == "ExternalUnreachable"
    assert result.requeue_after is not None
    assert result.requeue_after <= 2


async def test_a_bug_in_the_plan_becomes_a_condition_and_goes_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.settled()
    before = bench.built()

    def broken(*_: object) -> None:
        raise KeyError("s3cret")

    with monkeypatch.context() as patched:
        patched.setattr("speechoperator.reconciler.plan", broken)
        with pytest.raises(KeyError):
            await bench.once()
        said = bench.condition("Progressing")
        assert (said["status"], said["reason"]) == ("False", "ReconcileFailed")
        assert "KeyError in test_reconciler.py" in said["message"]
        assert "s3cret" not in str(bench.status), "the text of an exception may hold anything"
        assert bench.built().keys() == before.keys()
        with pytest.raises(KeyError):
            await bench.once()
        assert bench.api.writes == [], "it is told once"
    await bench.settled()
    assert "ReconcileFailed" not in str(bench.status)


async def test_a_namespace_that_ends_is_left_alone(bench: Bench) -> None:
    bench.api.refuse = lambda call: (404, 'namespaces "team" not found') if call.resource == "services" else None
    with pytest.raises(ApiError) as caught:
        await bench.once()
    assert caught.value.namespace_terminating
    assert bench.api.written("deployments.apps") == 0


async def test_a_new_release_waits_until_other_pipelines_are_updated(bench: Bench) -> None:
    """The status is that of an Ollama and a Whisper that serve; the pods of the bench never start."""
    await bench.settled()
    raw = bench.api.find("SpeechPipeline", "p")
    assert raw
    for one in raw["status"]["conditions"]:
        one["status"] = "True"
    bench.api.have(raw)
    bench.settings = Settings(whisper_image="whisper:2", rollout_concurrency=1)
    bench.start()
    other = Key("team", "other")
    bench.slots.note(other, "running", gpus=False)

    def image() -> str:
        deployment = bench.api.find("Deployment", "p-whisper")
        assert deployment
        name: str = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        return name

    await bench.once()
    assert (image(), bench.condition("UpdateAvailable")["reason"]) == ("speechpipeline/whisper:0.1.0", "UpdateQueued")

    bench.slots.forget(other)
    assert bench.queued == {KEY}, "it is told that it is its turn"
    await bench.once()
    assert (image(), bench.condition("UpdateAvailable")["reason"]) == ("whisper:2", "Updating")


@pytest.mark.parametrize(("operator", "pipelines"), [("", "gpu"), ("gpu", None), ("gpu", "other")])
async def test_a_pipeline_of_another_class_is_left_alone(bench: Bench, operator: str, pipelines: str | None) -> None:
    bench.settings = Settings(operator_class=operator)
    bench.start()
    bench.api.have(pipeline(**{"class": pipelines} if pipelines else {}))

    await bench.once()

    assert bench.api.writes == []


async def test_a_pipeline_of_the_class_is_managed(bench: Bench) -> None:
    bench.settings = Settings(operator_class="gpu")
    bench.start()
    bench.api.have(pipeline(**{"class": "gpu"}))

    await bench.once()

    assert bench.api.find("Deployment", "p-ollama")


async def test_two_installations_hand_a_pipeline_over_by_its_class(bench: Bench) -> None:
    """Nothing is deleted, and the new one has nothing to change."""
    await bench.settled()
    before = bench.built()
    bench.api.have(pipeline(**{"class": "gpu"}))

    await bench.once()
    assert bench.api.writes == []

    bench.settings = Settings(operator_class="gpu")
    bench.start()
    await bench.settled()
    assert bench.built() == before


@pytest.mark.parametrize("spec", [None, [], {"class": 7}])
async def test_an_odd_spec_has_no_class_that_would_break_the_operator(bench: Bench, spec: object) -> None:
    bench.api.have({**pipeline(), "spec": spec})

    await bench.once()
