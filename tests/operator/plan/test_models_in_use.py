"""A new list of models reaches the bridges without a restart, and the pipeline is ready once they use it."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from cluster.pipelines import of_bridge, of_ollama, pipeline
from fakes.planned_cluster import PlannedCluster, converged, verdict
from speechoperator.api.names import MODELS_REVISION
from speechoperator.kube.objects import Ref
from speechoperator.plan import Plan
from speechoperator.plan.models import model_list
from speechoperator.plan.models.definitions import is_internal
from speechoperator.plan.models.removals import GRACE_S
from speechoperator.plan.snapshot import Health
from speechoperator.settings import Settings

pytestmark = pytest.mark.unit

LIST = Ref("ConfigMap", "calls-bridge-models")
NEW_RELEASE = Settings(bridge_image="speechpipeline/bridge:0.2.0", verification=False)
INPUTS_WITH_LLAMA3 = "7eea3977c8f4ae3c"
"""The hash that a release without the file wrote for `converged(with_models("llama3"))`."""

LATE = ("True", "RolloutInProgress", "bridge: 0 of 2 bridges use the new list of models")


def with_models(*models: str | Mapping[str, Any]) -> dict[str, Any]:
    return of_ollama(models=[{"name": one} if isinstance(one, str) else one for one in models])


def written(plan: Plan) -> set[str]:
    return {f"{one.object['kind']}/{one.object['metadata']['name'].removeprefix('calls-')}" for one in plan.apply}


def offered(found: PlannedCluster) -> tuple[str, ...]:
    return model_list.names(found.objects[LIST])


def names_of_bridges(found: PlannedCluster) -> set[str]:
    return {pod["metadata"]["name"] for pod in found.pods_of("bridge")}


def restart(found: PlannedCluster) -> None:
    """Let another replica of the operator take over, which no bridge has answered yet."""
    found.new_leader()
    found.models_revisions = dict.fromkeys(found.models_revisions)


def uids(found: PlannedCluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in found.pods}


def changed(*models: str | Mapping[str, Any], **upgrade: Any) -> PlannedCluster:
    """A pipeline with `llama3` whose models have changed, and are all on its volume."""
    found = converged(with_models("llama3"), upgrade)
    found.stored["pvc:calls-ollama"] |= {"mistral:latest"}
    found.edit(pipeline(with_models(*models), upgrade)["spec"])
    return found


@pytest.mark.parametrize(
    "models",
    [
        pytest.param(("llama3", "mistral"), id="added"),
        pytest.param(("mistral", "llama3"), id="another default"),
        pytest.param(("mistral",), id="replaced"),
        pytest.param(({"name": "llama3", "options": {"top_p": 0.9}, "keepAlive": "1h"},), id="with options"),
    ],
)
def test_a_change_of_the_models_replaces_no_pod(models: tuple[Any, ...]) -> None:
    found = changed(*models)
    before, deployments = uids(found), copy.deepcopy([found.object("Deployment", "calls-bridge")])

    first = found.step()
    found.run()

    assert (
        {"ConfigMap/bridge-models"}
        <= written(first)
        <= {f"ConfigMap/{one}" for one in ("bridge", "bridge-models", "ollama")}
    )
    assert uids(found) == before
    assert [found.object("Deployment", "calls-bridge")] == deployments
    assert verdict(found.plan(), "Ready")[0] == "True"


def test_each_bridge_is_annotated_with_the_list_before_and_once_the_new_one_was_written_with_that() -> None:
    found = changed("llama3", "mistral")
    old, bridges = model_list.revision(found.objects[LIST]), names_of_bridges(found)

    first, second, third = found.step(), found.step(), found.step()

    new = model_list.revision(found.objects[LIST])
    assert written(first) >= {"ConfigMap/bridge-models"}
    assert {(one.pod, one.revision) for one in first.annotate} == {(name, old) for name in bridges}
    assert {(one.pod, one.revision) for one in second.annotate} == {(name, new) for name in bridges}
    assert (written(second), third.annotate) == (set(), ())
    assert {pod["metadata"]["annotations"][MODELS_REVISION] for pod in found.pods_of("bridge")} == {new}


def test_a_steady_pipeline_annotates_nothing_also_when_it_gets_more_bridges() -> None:
    found = changed("llama3", "mistral")
    found.run()
    found.edit(pipeline(with_models("llama3", "mistral"), of_bridge(replicas=4))["spec"])

    plans = [found.step()]
    found.settle()
    plans += [found.step(), found.plan()]

    assert [plan.annotate for plan in plans] == [(), (), ()]
    assert verdict(plans[-1], "Ready")[0] == "True"


def test_the_pipeline_is_ready_when_all_bridges_use_the_new_list() -> None:
    found = changed("llama3", "mistral")

    for _ in range(3):
        plan = found.step()
        assert verdict(plan, "Progressing") == LATE
        assert verdict(plan, "Ready") == ("False", *LATE[1:])

    first, _ = found.models_revisions
    found.models_revisions[first] = model_list.revision(found.objects[LIST])
    assert verdict(found.plan(), "Ready")[2] == "bridge: 1 of 2 bridges use the new list of models"
    found.settle()
    assert verdict(found.plan(), "Ready")[0] == "True"


def test_bridges_that_do_not_say_which_list_they_use_are_not_waited_for() -> None:
    found = changed("llama3", "mistral")
    found.bridges_report = False

    found.step()
    plan = found.step()

    assert (verdict(plan, "Ready")[0], plan.annotate) == ("True", ())


def test_a_bridge_that_falls_silent_is_not_waited_for() -> None:
    found = converged()
    found.models_revisions = dict.fromkeys(found.models_revisions, "before")
    plan = found.plan()
    assert (verdict(plan, "Progressing"), plan.requeue_after) == (LATE, 45.0)

    found.bridges_report = False

    assert verdict(found.plan(), "Ready")[0] == "True"


@pytest.mark.parametrize("before", [("llama3",), ("mistral",)], ids=["never changed", "changed before"])
def test_a_restart_of_the_operator_keeps_a_pipeline_ready(before: tuple[str, ...]) -> None:
    found = converged(with_models(*before))
    found.edit(pipeline(with_models("llama3"))["spec"])
    status = found.run().status
    restart(found)

    plan = found.plan()

    assert (plan.status, plan.annotate) == (status, ())


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["before the list is written", "before the annotations", "after them"])
def test_after_a_restart_during_a_change_bridges_that_have_not_answered_are_waited_for(steps: int) -> None:
    found = changed("llama3", "mistral")
    for _ in range(steps):
        found.step()
    restart(found)

    for _ in range(3):
        plan = found.step()
        assert verdict(plan, "Progressing") == LATE
        assert verdict(plan, "Ready")[0] == "False"
        assert plan.requeue_after == 5.0

    assert {pod["metadata"]["annotations"][MODELS_REVISION] for pod in found.pods_of("bridge")} == {
        model_list.revision(found.objects[LIST])
    }
    found.models_revisions.clear()  # after 45 s
    assert "bridges use" not in verdict(found.plan(), "Progressing")[2]


def test_after_a_restart_during_a_change_no_model_is_removed() -> None:
    remove = of_ollama(cache={"unusedModels": "Remove"})
    found = converged(with_models("llama3", "mistral"), remove)
    found.edit(pipeline(with_models("llama3"), remove)["spec"])
    found.step()
    found.later(GRACE_S)
    restart(found)

    assert found.step().removals == ()
    assert found.step().removals == ()


def test_a_new_bridge_that_has_not_answered_yet_has_the_list_that_it_started_with() -> None:
    found = changed("llama3", "mistral")
    found.run()
    found.edit(pipeline(with_models("llama3", "mistral"), of_bridge(replicas=4))["spec"])
    before = names_of_bridges(found)
    found.step()
    found.settle()
    found.models_revisions |= dict.fromkeys(names_of_bridges(found) - before)

    assert verdict(found.plan(), "Ready")[0] == "True"


def test_bridges_with_a_list_of_their_own_are_not_waited_for() -> None:
    own = {"name": "MODELS_FILE", "value": "/mine/models.json"}
    found = converged(of_bridge(env=[own]))
    found.models_revisions = dict.fromkeys(found.models_revisions, "theirs")

    plan = found.plan()

    assert (verdict(plan, "Ready")[0], plan.annotate) == ("True", ())


def test_no_model_is_removed_while_a_bridge_may_still_offer_it() -> None:
    remove = of_ollama(cache={"unusedModels": "Remove"})
    found = converged(with_models("llama3", "mistral"), remove)
    found.edit(pipeline(with_models("llama3"), remove)["spec"])
    found.run()
    found.models_revisions = dict.fromkeys(found.models_revisions, "before")
    found.later(GRACE_S)

    assert found.step().removals == ()

    found.run()
    assert {name for name in found.stored["pvc:calls-ollama"] if not is_internal(name)} == {"llama3:latest"}


def until_the_models_are_loaded(found: PlannedCluster) -> tuple[Plan, list[Any]]:
    """Let all controllers work until new models are about to be loaded, check the status, and finish."""
    for _ in range(10):
        plan = found.step()
        if plan.warm_ups:
            break
        found.settle()
    assert verdict(plan, "ModelsLoaded")[:2] == ("False", "Warming")
    return found.run(), [load for one in plan.warm_ups for load in one.loads]


def test_a_held_update_holds_no_list_of_models() -> None:
    found = converged(with_models("llama3"), {"upgradePolicy": "Manual"})
    before, found.settings = uids(found), NEW_RELEASE
    found.edit(pipeline(with_models("llama3", "mistral"), {"upgradePolicy": "Manual"})["spec"])

    plan, loaded = until_the_models_are_loaded(found)

    assert loaded == [("mistral", {}), ("llama3", {})]
    assert offered(found) == ("llama3", "mistral")
    assert uids(found) == before
    assert verdict(plan, "UpdateAvailable")[1] == "UpdateHeld"
    assert verdict(plan, "Ready")[0] == "True"


def of_an_older_release(found: PlannedCluster) -> None:
    """Let the bridges have their model, `llama3`, from the environment only."""
    del found.objects[LIST]
    bridge = found.object("Deployment", "calls-bridge")
    bridge["metadata"]["annotations"]["speechpipeline.dev/inputs-hash"] = INPUTS_WITH_LLAMA3
    bridge["metadata"]["annotations"]["speechpipeline.dev/template-hash"] = "without the file"
    spec = bridge["spec"]["template"]["spec"]
    del spec["containers"][0]["env"]
    spec["volumes"] = [one for one in spec["volumes"] if one["name"] != "model-list"]
    for pod in found.pods_of("bridge"):
        pod["template"] = copy.deepcopy(bridge["spec"]["template"])
    found.models_revisions.clear()


@pytest.mark.parametrize(
    ("policy", "reason"), [("Automatic", "UpdateQueued"), ("Manual", "UpdateHeld")], ids=["paced", "held"]
)
def test_bridges_of_a_release_without_the_file_wait_for_their_turn(policy: str, reason: str) -> None:
    found = converged(with_models("llama3"), {"upgradePolicy": policy})
    of_an_older_release(found)
    before, found.slots = uids(found), 0

    plan = found.run()

    assert uids(found) == before
    assert verdict(plan, "UpdateAvailable")[:2] == ("True", reason)
    assert verdict(plan, "Ready")[0] == "True"


@pytest.mark.parametrize("policy", ["Automatic", "Manual"])
def test_a_change_of_the_models_replaces_bridges_of_a_release_without_the_file_at_once(policy: str) -> None:
    """They do not hear of it otherwise."""
    found = converged(with_models("llama3"), {"upgradePolicy": policy})
    of_an_older_release(found)
    found.slots = 0
    found.run()
    before = {pod["metadata"]["uid"] for pod in found.pods_of("bridge")}

    found.edit(pipeline(with_models("llama3", "mistral"), {"upgradePolicy": policy})["spec"])
    plan = found.run()

    assert before.isdisjoint(uids(found))
    assert offered(found) == ("llama3", "mistral")
    assert verdict(plan, "Ready")[0] == "True"


@pytest.mark.parametrize(
    "bridge",
    [
        {"image": "example.com/bridge:0.1.0"},
        {"podTemplate": {"spec": {"containers": [{"name": "bridge", "image": "example.com/bridge:0.1.0"}]}}},
        {"env": [{"name": "MODEL_OPTIONS", "value": "{}"}]},
        {"podTemplate": {"spec": {"containers": [{"name": "bridge", "env": [{"name": "MODELS", "value": "mine"}]}]}}},
    ],
    ids=["image", "image in podTemplate", "env", "env in podTemplate"],
)
@pytest.mark.parametrize("policy", ["Automatic", "Manual"])
def test_bridges_that_may_read_their_models_at_startup_are_replaced(bridge: dict[str, Any], policy: str) -> None:
    given = of_bridge(**bridge), {"upgradePolicy": policy}
    found = converged(with_models("llama3"), *given)
    before = {pod["metadata"]["uid"] for pod in found.pods_of("bridge")}
    found.slots = 0

    found.edit(pipeline(with_models("llama3", "mistral"), *given)["spec"])
    plan = found.run()

    assert before.isdisjoint(uids(found))
    assert verdict(plan, "Ready")[0] == "True"
    assert found.step().apply == ()


@pytest.mark.parametrize("name", ["MODELS", "MODEL_OPTIONS"])
def test_a_variable_of_the_spec_takes_the_place_of_the_list(name: str) -> None:
    own = {"name": name, "value": "mine"}
    in_template = {"spec": {"containers": [{"name": "bridge", "env": [own]}]}}
    for found in (converged(of_bridge(env=[own])), converged(of_bridge(podTemplate=in_template))):
        (container,) = found.object("Deployment", "calls-bridge")["spec"]["template"]["spec"]["containers"]
        assert container["env"] == [own]
        found.models_revisions = dict.fromkeys(found.models_revisions, "theirs")
        assert verdict(found.plan(), "Ready")[0] == "True"


def test_what_bridges_of_a_release_without_the_file_offer_stays_until_the_new_models_are_there() -> None:
    found = converged(with_models("llama3"))
    of_an_older_release(found)
    found.edit(pipeline(with_models("new", "llama3"))["spec"])

    found.step()
    assert offered(found) == ("llama3",)
    assert found.object("ConfigMap", "calls-bridge")["data"]["MODELS"] == "llama3"

    found.run()
    assert offered(found) == ("new", "llama3")


def test_the_list_stays_while_the_bridges_keep_the_address_before() -> None:
    found = converged(with_models("llama3"))
    found.health = {"ollama": Health(healthy=False)}
    found.edit(pipeline(of_ollama(url="http://box:11434", models=[{"name": "theirs"}]))["spec"])

    found.run()
    assert offered(found) == ("llama3",)

    found.health["ollama"] = Health(healthy=True)
    found.external_models = {"theirs:latest"}
    found.run()
    assert offered(found) == ("theirs",)
    assert verdict(found.plan(), "Ready")[0] == "True"
