"""The scaler within the plan: who writes `spec.replicas`, when, and what the status says about it."""

import pytest

from cluster.pipelines import of_ollama, of_whisper
from fakes.planned_cluster import PlannedCluster, converged, verdict
from fakes.scaled_cluster import BACKLOG, HELD, IDLE, history, replicas, scaled, step, steps
from fakes.scaled_component import load
from speechoperator.api.names import POD_DELETION_COST, REPLICAS
from speechoperator.kube import managed_fields
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan
from speechoperator.plan.scaling.load import Loads, Report
from speechoperator.settings import SCALER, Settings

pytestmark = pytest.mark.unit

OFF = {"scaling": {"mode": "Off"}}
ADVISORY = {"scaling": {"mode": "Advisory"}}
SUSPENDED = {"suspend": True}


def edit(found: PlannedCluster, **changes: object) -> None:
    found.edit({**found.raw["spec"], **changes})


def owners(found: PlannedCluster) -> tuple[str, ...]:
    return managed_fields.owners_of(found.object("Deployment", "calls-whisper"), REPLICAS)


def reasons(planned: Plan) -> set[str]:
    return {event.reason for event in planned.events}


# Who writes the number.


def test_a_deployment_starts_with_its_minimum_and_then_only_the_scaler_owns_the_number() -> None:
    found = scaled(2)
    assert replicas(found) == 2
    assert SCALER in owners(found)

    edit(found, whisper={**found.raw["spec"]["whisper"], "env": [{"name": "A", "value": "b"}]})
    found.run()

    assert owners(found) == (SCALER,)
    assert replicas(found) == 2


def test_replicas_follow_the_load_and_the_operators_own_apply_never_resets_them() -> None:
    found = scaled()

    planned = step(found, BACKLOG)

    assert [(one.ref.name, one.before, one.replicas) for one in planned.scales] == [("calls-whisper", 1, 4)]
    assert not planned.apply
    edit(found, whisper={**found.raw["spec"]["whisper"], "env": [{"name": "A", "value": "b"}]})
    planned = step(found, BACKLOG)
    manifest = next(one.object for one in planned.apply if one.object["kind"] == "Deployment")
    assert "replicas" not in manifest["spec"]
    assert replicas(found) == 4


def test_a_change_is_in_the_history_in_an_event_and_in_the_write_with_one_id() -> None:
    found = scaled()
    written = step(found, BACKLOG)

    planned = found.plan()

    last = planned.status["scalingHistory"][-1]
    assert (last["component"], last["from"], last["to"], last["ok"]) == ("whisper", 1, 4, True)
    assert "1705 s of audio" in last["reason"]
    assert [scale.id for scale in written.scales] == [last["id"]]
    message = next(event.message for event in planned.events if event.reason == "ScaledUp")
    assert message == f"whisper 1 -> 4: {last['reason']} [{last['id']}]"


def test_nothing_is_written_while_nothing_changes() -> None:
    found = scaled()
    step(found, BACKLOG)
    steps(found, BACKLOG, 60)
    status = found.raw["status"]

    for _ in range(10):
        planned = step(found, BACKLOG)
        assert (planned.apply, planned.scales, planned.costs, planned.events) == ((), (), (), ())
        assert planned.status == status


def test_a_pipeline_with_a_fixed_number_is_planned_again_only_when_something_changes() -> None:
    assert converged().plan().requeue_after is None
    assert scaled().plan().requeue_after == 15.0
    found = scaled()
    assert step(found, BACKLOG).requeue_after == 5.0


def test_with_an_unknown_load_replicas_are_kept_within_their_bounds() -> None:
    found = scaled(1, 4)
    for given, kept in ((3, 3), (9, 4), (0, 1)):
        found.write_replicas("calls-whisper", given, "kubectl")
        found.run()
        assert replicas(found) == kept
    condition = verdict(found.plan(), "ScalingActive")
    assert condition[:2] == ("Unknown", "LoadUnknown")


def test_what_another_writer_changes_is_undone_and_the_writer_is_named() -> None:
    found = scaled()
    step(found, IDLE)
    found.write_replicas("calls-whisper", 3, "keda")

    planned = step(found, IDLE)

    assert [(one.replicas, one.undoes) for one in planned.scales] == [(1, "keda")]
    assert owners(found) == (SCALER,)


def test_a_deployment_of_an_earlier_release_keeps_its_number_when_the_scaler_takes_it_over() -> None:
    found = scaled()
    live = found.object("Deployment", "calls-whisper")
    live["spec"]["replicas"] = 3
    live["metadata"]["managedFields"][0]["manager"] = "speechpipeline-operator"
    del live["metadata"]["managedFields"][1:]
    edit(found, whisper={**found.raw["spec"]["whisper"], "env": [{"name": "A", "value": "b"}]})

    found.run()
    edit(found, whisper={**found.raw["spec"]["whisper"], "env": []})
    found.run()

    assert replicas(found) == 3
    assert owners(found) == (SCALER,)


def test_replicas_do_not_wait_for_an_update_that_is_held() -> None:
    found = scaled(1, 4, {"upgradePolicy": "Manual"})
    found.settings = Settings(whisper_image="speechpipeline/whisper:0.2.0")
    found.run()

    step(found, BACKLOG)

    assert replicas(found) == 4
    assert "UpdateHeld" in str(found.plan().status["conditions"]), "a change of scaling is no change of the pods"
    edit(found, whisper={**found.raw["spec"]["whisper"], "scaling": {"minReplicas": 2, "maxReplicas": 3}})
    step(found, BACKLOG)
    assert replicas(found) == 3
    assert "UpdateHeld" in str(found.plan().status["conditions"])


# Modes.


def test_with_mode_off_nothing_is_written_whoever_scales() -> None:
    found = scaled(1, 4, OFF)
    for number in (3, 0, 7):
        found.write_replicas("calls-whisper", number, "keda")
        planned = step(found, BACKLOG)
        assert (planned.scales, planned.apply) == ((), ())
        assert replicas(found) == number
    edit(found, whisper={**found.raw["spec"]["whisper"], "env": [{"name": "A", "value": "b"}]})
    step(found, BACKLOG)
    assert replicas(found) == 7
    assert verdict(found.plan(), "ScalingActive")[:2] == ("False", "Off")


def test_with_mode_off_a_component_that_another_scaler_stopped_is_idle() -> None:
    found = scaled(1, 4, OFF)
    found.write_replicas("calls-whisper", 0, "keda")
    found.run()
    assert verdict(found.plan(), "Ready")[:2] == ("True", "Idle")


def test_with_mode_advisory_decisions_are_recorded_once_and_not_written() -> None:
    found = scaled(1, 4, ADVISORY)
    for _ in range(5):
        assert not step(found, BACKLOG).scales
    planned = found.plan()

    assert replicas(found) == 1
    assert history(planned) == [(1, 4, False)]
    status, reason, message = verdict(planned, "ScalingActive")
    assert (status, reason) == ("False", "Advisory")
    assert "4 replicas of whisper and 1 replica of ollama recommended" in message


def test_advice_is_an_event() -> None:
    found = scaled(1, 4, ADVISORY)
    step(found, BACKLOG)
    assert "ScalingAdvised" in reasons(found.plan())


def test_bursts_cause_no_new_advice_within_the_window() -> None:
    found = scaled(1, 4, ADVISORY)
    for _ in range(20):
        step(found, BACKLOG)
        step(found, IDLE)

    assert history(found.plan()) == [(1, 4, False)]


def test_the_event_about_advice_to_keep_what_runs_says_so() -> None:
    found = scaled(1, 4, ADVISORY)
    step(found, BACKLOG)
    messages = []
    for _ in range(60):
        found.later(10)
        messages += [event.message for event in step(found, IDLE).events if event.reason == "ScalingAdvised"]

    assert messages[-1].startswith("whisper stays at 1: ")


# Suspension.


@pytest.mark.parametrize("mode", [{}, OFF, ADVISORY], ids=["Auto", "Off", "Advisory"])
@pytest.mark.parametrize("new_leader", [False, True])
def test_a_suspended_pipeline_has_no_replicas_and_gets_back_what_it_had(
    mode: dict[str, object],
    new_leader: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    found = scaled(1, 4, mode)
    found.write_replicas("calls-whisper", 3, SCALER if not mode else "keda")
    found.run()

    edit(found, **SUSPENDED)
    found.run()
    assert (replicas(found), replicas(found, "ollama")) == (0, 0)
    assert verdict(found.plan(), "Ready")[:2] == ("True", "Suspended")
    if new_leader:
        found.new_leader()
    edit(found, suspend=False)
    found.run()

    assert (replicas(found), replicas(found, "ollama")) == (3, 1)
    assert verdict(found.plan(), "Ready")[:2] == ("True", "Ready")


@pytest.mark.parametrize("mode", [{}, OFF], ids=["Auto", "Off"])
def test_a_pipeline_that_was_created_suspended_starts(mode: dict[str, object]) -> None:
    found = converged(SUSPENDED, mode)
    assert replicas(found) == 0
    edit(found, suspend=False)
    found.run()
    assert replicas(found) == 1


def test_a_suspension_that_was_written_and_not_recorded_loses_no_replicas() -> None:
    found = scaled(1, 4)
    step(found, BACKLOG)
    found.run()
    edit(found, **SUSPENDED)
    before = found.raw["status"]
    found.step()
    found.raw["status"] = before
    found.new_leader()
    found.run()

    edit(found, suspend=False)
    found.run()

    assert replicas(found) == 4


# To zero and back.


def test_a_new_pipeline_starts_with_one_replica_even_if_its_minimum_is_zero() -> None:
    found = scaled(0)
    assert replicas(found) == 1
    steps(found, IDLE, 240)
    assert replicas(found) == 1
    steps(found, IDLE, 120)
    assert replicas(found) == 0


def asleep() -> PlannedCluster:
    """A pipeline whose Whisper and Ollama are scaled to zero."""
    both = {"minReplicas": 0, "maxReplicas": 2, "idlePeriod": "1m"}
    found = scaled(0, 4, of_ollama(cache={"accessMode": "ReadWriteMany"}, scaling=both), idlePeriod="1m")
    steps(found, IDLE, 150)
    assert (replicas(found), replicas(found, "ollama")) == (0, 0)
    return found


def test_a_pipeline_that_is_scaled_to_zero_is_ready_and_keeps_its_models() -> None:
    planned = asleep().plan()
    assert verdict(planned, "Ready") == ("True", "Idle", "whisper: no request for 60 s")
    assert verdict(planned, "WhisperAvailable")[:2] == ("False", "ScaledToZero")
    assert verdict(planned, "ModelsReady") == ("True", "ModelsPresent", "llama3")
    assert planned.status["whisper"]["summary"] == "0/0"
    assert verdict(planned, "Progressing")[:2] == ("False", "UpToDate")


def test_models_on_another_volume_are_not_taken_as_present() -> None:
    found = asleep()
    edit(found, ollama={**found.raw["spec"]["ollama"], "cache": {"existingClaim": "other"}})
    found.run()
    assert verdict(found.plan(), "ModelsReady")[1] == "ScaledToZero"
    assert verdict(found.plan(), "Ready")[:2] == ("True", "Idle")


def test_a_model_that_is_added_while_ollama_is_scaled_to_zero_is_no_fault() -> None:
    found = asleep()
    edit(found, ollama={**found.raw["spec"]["ollama"], "models": [{"name": "llama3"}, {"name": "mistral"}]})
    found.run()
    planned = found.plan()
    assert verdict(planned, "ModelsReady") == (
        "False",
        "ScaledToZero",
        "1 of 2 ready; Ollama is scaled to zero, and pulls mistral when it starts",
    )
    assert verdict(planned, "Ready")[:2] == ("True", "Idle")


def test_a_held_request_starts_whisper_and_ollama_at_once() -> None:
    found = asleep()
    planned = step(found, HELD)
    assert {(one.component, one.replicas) for one in planned.scales} == {("whisper", 1), ("ollama", 1)}
    assert verdict(step(found, HELD), "Ready")[:2] == ("False", "Warming")
    assert verdict(step(found, HELD), "Ready")[:2] == ("True", "Ready")


def test_models_stay_ready_while_a_pod_starts_with_a_volume_that_has_them() -> None:
    found = asleep()
    step(found, HELD)
    for pod in found.pods_of("ollama"):
        pod["status"] = {"phase": "Pending"}
    del found.object("Deployment", "calls-ollama")["status"]["readyReplicas"]
    planned = found.plan()
    assert verdict(planned, "ModelsReady")[:2] == ("True", "ModelsPresent")
    assert verdict(planned, "OllamaAvailable")[:2] == ("False", "Starting")


def test_a_loading_pod_is_not_scaled_to_zero() -> None:
    found = scaled(0, 4, idlePeriod="1m")
    for pod in found.pods_of("whisper"):
        pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "True"}]
    steps(found, IDLE, 300)
    assert replicas(found) == 1


def test_a_deployment_that_is_recreated_while_idle_starts_with_zero_replicas() -> None:
    found = asleep()
    del found.objects[Ref("Deployment", "calls-whisper")]
    planned = step(found, IDLE)
    created = next(one.object for one in planned.apply if one.object["metadata"]["name"] == "calls-whisper")
    assert created["spec"]["replicas"] == 0
    steps(found, IDLE, 60)
    assert replicas(found) == 0


def test_a_deployment_that_is_recreated_under_load_starts_with_as_many_as_it_had() -> None:
    found = scaled()
    step(found, BACKLOG)
    found.run()
    del found.objects[Ref("Deployment", "calls-whisper")]
    found.loads = Loads()
    found.run()
    assert replicas(found) == 4


# What limits the replicas.


def test_the_condition_names_what_limits_the_replicas() -> None:
    found = scaled(1, 2)
    step(found, IDLE)
    assert verdict(found.plan(), "ScalingActive") == ("True", "Auto", "whisper: 1 to 2 replicas, ollama: 1 replica")
    step(found, BACKLOG)
    assert verdict(found.plan(), "ScalingActive") == ("True", "LimitedByMaximum", "whisper: maxReplicas is 2")


def test_pods_without_a_node_are_withdrawn_and_the_scheduler_is_quoted() -> None:
    found = scaled()
    step(found, BACKLOG)
    lacking = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.",
        "lastTransitionTime": "2026-11-23T11:00:00Z",
    }
    for pod in found.pods_of("whisper")[1:]:
        pod["status"] = {"phase": "Pending", "conditions": [lacking]}

    found.later(1)
    found.loads = Loads(load(1700.0, busy=1.0, seen_at=found.now.timestamp()), found.loads.ollama)
    planned = found.step()

    assert [(one.before, one.replicas) for one in planned.scales] == [(4, 1)]
    status, reason, message = verdict(found.plan(), "ScalingActive")
    assert (status, reason) == ("False", "Unschedulable")
    assert "2 Insufficient nvidia.com/gpu" in message


def test_the_budget_holds_from_the_first_write_on() -> None:
    gpus = {"gpu": {"count": 1}, "cache": {"accessMode": "ReadWriteMany"}}
    found = scaled(1, 4, of_whisper(**gpus), of_ollama(**gpus), {"scaling": {"gpuBudget": 3}})
    step(found, BACKLOG)
    assert (replicas(found), replicas(found, "ollama")) == (2, 1)
    assert verdict(found.plan(), "ScalingActive") == ("True", "LimitedByBudget", "whisper: gpuBudget is 3")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("Auto", ("False", "UnknownTimeZone")), ("Advisory", ("False", "UnknownTimeZone")), ("Off", ("False", "Off"))],
)
def test_a_schedule_with_an_unknown_time_zone_is_ignored_and_reported(mode: str, expected: tuple[str, str]) -> None:
    night = {"name": "night", "component": "whisper", "minReplicas": 2, "start": "00:00", "end": "23:59"}
    schedules = [{**night, "name": "day", "minReplicas": 3, "timeZone": "Europe/Berln"}, night]

    found = scaled(1, 4, {"scaling": {"mode": mode, "schedules": schedules}})

    assert replicas(found) == (2 if mode == "Auto" else 1)
    status, reason, message = verdict(found.plan(), "ScalingActive")
    assert (status, reason) == expected
    assert message.startswith("schedule day is ignored: no time zone is named Europe/Berln.") == (mode != "Off")
    assert verdict(found.plan(), "Ready")[0] == "True", "it serves"


def test_with_an_unknown_time_zone_a_component_is_started_from_zero() -> None:
    office = {"name": "office", "component": "whisper", "minReplicas": 1, "start": "01:00", "end": "02:00"}
    found = scaled(0, 2)
    found.write_replicas("calls-whisper", 0, SCALER)
    found.run()
    found.edit({**found.raw["spec"], "scaling": {"schedules": [{**office, "timeZone": "Europe/Berln"}]}})

    step(found, BACKLOG)

    assert replicas(found) > 0


def test_a_schedule_raises_the_minimum() -> None:
    office = {"name": "office", "component": "whisper", "minReplicas": 3, "start": "11:00", "end": "13:00"}
    found = scaled(1, 4, {"scaling": {"schedules": [office]}})
    assert replicas(found) == 3
    assert found.plan().status["whisper"]["replicasReason"] == "schedule office asks for 3"


def test_a_load_that_varies_changes_the_status_twice_a_minute_at_most() -> None:
    found = scaled(1, 1)
    step(found, IDLE)
    seen = []
    for second in range(120):
        step(found, Loads(load(15.0 * (second % 2), busy=1.0), IDLE.ollama))
        if not seen or seen[-1] != found.raw["status"]:
            seen.append(found.raw["status"])
    assert len(seen) <= 5


def test_the_status_ends_with_the_last_load() -> None:
    found = scaled(1, 1)
    step(found, IDLE)
    step(found, BACKLOG)
    planned = step(found, IDLE)
    assert planned.requeue_after is not None
    steps(found, IDLE, planned.requeue_after + 1, interval=planned.requeue_after + 1)
    assert found.raw["status"]["whisper"]["backlogSeconds"] == 0


def test_the_bottleneck_and_the_backlog_are_in_the_status() -> None:
    found = scaled(1, 1)
    steps(found, Loads(load(1234.0, busy=1.0), IDLE.ollama), 45.0)
    planned = found.plan()
    assert planned.status["bottleneck"] == "whisper"
    assert planned.status["whisper"]["backlogSeconds"] == 2000
    assert planned.status["whisper"]["desired"] == 1


def test_idle_pods_are_deleted_first() -> None:
    found = scaled()
    step(found, BACKLOG)
    first, *others = found.pods_of("whisper")
    busy = others[-1]["metadata"]["name"]
    found.pod_loads = {pod["metadata"]["name"]: Report(waiting=0.0, working=0.0) for pod in (first, *others)}
    found.pod_loads[busy] = Report(waiting=2.0, working=1.0, audio_seconds_working=9.5)

    steps(found, IDLE, 450)

    assert [pod["metadata"]["name"] for pod in found.pods_of("whisper")] == [busy]
    assert found.pods_of("whisper")[0]["metadata"]["annotations"] == {POD_DELETION_COST: "13"}


def test_the_startup_time_is_measured_and_remembered() -> None:
    found = scaled(0, 4, idlePeriod="1m")
    for pod in found.pods_of("whisper"):
        for condition in pod["status"]["conditions"]:
            condition["lastTransitionTime"] = "2026-11-23T12:00:42Z"
    assert step(found, IDLE).status["whisper"]["startupSeconds"] == 42
    steps(found, IDLE, 150)
    found.new_leader()
    assert found.plan().status["whisper"]["startupSeconds"] == 42
