"""What the operator knows of the cluster, whatever the order in which it was told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechoperator.api import kinds
from speechoperator.kube.objects import Key, Ref
from speechoperator.watch.listing import Listing, replace
from speechoperator.watch.store import Scope, Store

pytestmark = pytest.mark.unit

DEPLOYMENT = kinds.BY_NAME["Deployment"]
KEY = Key("team", "p")


def thing(
    version: int, *, name: str = "p-bridge", uid: str = "1", owner: str | None = "p", **more: Any
) -> dict[str, Any]:
    labels = {"speechpipeline.dev/pipeline": owner} if owner else {}
    meta = {"name": name, "namespace": "team", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, **more}


def pipeline(version: int = 1, name: str = "p") -> dict[str, Any]:
    meta = {"name": name, "namespace": "team", "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"apiVersion": "speechpipeline.dev/v1alpha1", "kind": "SpeechPipeline", "metadata": meta}


def pod(name: str, version: int = 1) -> dict[str, Any]:
    return {**thing(version, name=name, uid=name), "apiVersion": "v1", "kind": "Pod"}


def deployment(store: Store) -> Any:
    return store.objects(KEY).get(Ref("Deployment", "p-bridge"))


def test_a_pipeline_belongs_to_itself_and_objects_to_the_one_their_label_names() -> None:
    store = Store()
    assert store.observe("ADDED", pipeline()) == {KEY}
    assert store.observe("ADDED", thing(2)) == {KEY}
    assert store.observe(None, pod("p-bridge-b")) == {KEY}
    store.observe(None, pod("p-bridge-a"))
    assert store.pipeline(KEY) == pipeline()
    assert set(store.objects(KEY)) == {Ref("Deployment", "p-bridge")}
    assert [found["metadata"]["name"] for found in store.pods(KEY)] == ["p-bridge-a", "p-bridge-b"]
    assert list(store.pipelines()) == [KEY]


def test_what_is_known_is_no_news() -> None:
    store = Store()
    store.put(thing(5, spec={"replicas": 2}))
    assert store.observe("MODIFIED", thing(5)) == set()
    assert store.observe("MODIFIED", thing(4, spec={"replicas": 1})) == set()
    assert deployment(store)["spec"] == {"replicas": 2}


def test_nobody_but_the_operator_needs_to_know_who_manages_a_field() -> None:
    store = Store()
    noisy = thing(1)
    noisy["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    noisy["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}
    store.put(noisy)
    assert "managedFields" not in deployment(store)["metadata"]
    assert deployment(store)["metadata"]["annotations"] == {"mine": "1"}


def test_of_a_pod_what_its_deployment_says_too_is_not_kept() -> None:
    store, volumes = Store(), [{"name": "cache", "emptyDir": {}}]
    spec = {"nodeName": "n", "volumes": volumes, "initContainers": [{"name": "fetch"}], "containers": [{"env": []}]}
    store.observe("ADDED", {**pod("p-bridge-a"), "spec": spec})
    (found,) = store.pods(KEY)
    assert found["spec"] == {"nodeName": "n", "volumes": volumes, "initContainers": [{"name": "fetch"}]}


def test_each_object_of_a_kind_is_as_it_was_put() -> None:
    store = Store()
    for number in range(100):
        store.put(thing(number, name=f"p-{number}", owner=f"p{number // 20}", spec={"replicas": number}))

    for number in range(100):
        found = store.object(Key("team", f"p{number // 20}"), Ref("Deployment", f"p-{number}"))
        assert found == thing(number, name=f"p-{number}", owner=f"p{number // 20}", spec={"replicas": number})


def test_who_looks_gets_a_copy() -> None:
    store = Store()
    store.put(thing(1, spec={}))
    deployment(store)["spec"]["replicas"] = 9
    assert deployment(store)["spec"] == {}


def test_a_deletion_is_news_once() -> None:
    store = Store()
    store.put(thing(1))
    assert store.observe("DELETED", thing(2)) == {KEY}
    assert store.observe("DELETED", thing(2)) == set()
    assert store.objects(KEY) == {}
    assert len(store) == 0


def test_the_deletion_of_one_that_was_made_anew_since_is_no_news() -> None:
    store = Store()
    store.put(thing(1, uid="old"))
    store.put(thing(7, uid="new"))
    assert store.observe("DELETED", thing(6, uid="old")) == set()
    assert deployment(store)["metadata"]["uid"] == "new"


def test_an_object_that_changes_its_owner_is_news_for_both() -> None:
    store = Store()
    store.put(thing(1))
    assert store.observe("MODIFIED", thing(2, owner="q")) == {KEY, Key("team", "q")}
    assert store.objects(KEY) == {}


def test_an_object_that_loses_its_label_is_news_for_the_one_that_had_it() -> None:
    store = Store()
    store.put(thing(1))
    assert store.observe("MODIFIED", thing(2, owner=None)) == {KEY}
    assert store.observe("MODIFIED", thing(3, owner=None)) == set()


def test_an_object_that_gets_the_operators_label_back_is_known_again() -> None:
    """A watch with a selector says DELETED of an object whose label was removed; it keeps its uid."""
    store = Store()
    store.put(thing(10))
    assert store.observe("DELETED", thing(11)) == {KEY}

    assert store.put(thing(12)) == {KEY}
    store.observe("ADDED", thing(12))

    assert deployment(store)["metadata"]["resourceVersion"] == "12"
    assert store.put(thing(11)) == set()


def test_a_listing_finds_what_was_deleted_unseen() -> None:
    store = Store()
    store.put(thing(1))
    store.put(thing(2, name="p-whisper"))
    store.put(pod("p-0"))
    assert not store.listed(DEPLOYMENT, "team")
    assert replace(store, DEPLOYMENT, [thing(1)], "9") == {KEY}
    assert set(store.objects(KEY)) == {Ref("Deployment", "p-bridge")}
    assert store.pods(KEY), "of other kinds a listing says nothing"
    assert store.listed(DEPLOYMENT, "team")


def test_a_listing_without_news_has_none() -> None:
    store = Store()
    store.put(thing(1))
    assert replace(store, DEPLOYMENT, [thing(1)], "9") == set()


def test_a_listing_does_not_take_away_what_was_written_since() -> None:
    store = Store()
    store.put(thing(12))
    assert replace(store, DEPLOYMENT, [], "9") == set()
    assert deployment(store)


def test_items_of_a_listing_need_not_say_what_they_are() -> None:
    store = Store()
    bare = thing(1)
    del bare["kind"], bare["apiVersion"]
    replace(store, DEPLOYMENT, [bare], "9")
    assert deployment(store)["apiVersion"] == "apps/v1"


def test_a_cluster_that_was_set_back_to_a_backup_is_believed() -> None:
    store = Store()
    replace(store, DEPLOYMENT, [thing(900, spec={"replicas": 3})], "1000")
    assert replace(store, DEPLOYMENT, [thing(400, spec={"replicas": 1})], "500") == {KEY}
    assert deployment(store)["spec"] == {"replicas": 1}


def test_what_is_said_not_to_be_there_is_forgotten_unless_it_is_another() -> None:
    store = Store()
    store.put(thing(1, uid="new"))
    store.forget(DEPLOYMENT, "team", "p-bridge", "old")
    assert deployment(store)
    store.forget(DEPLOYMENT, "team", "p-bridge", "new")
    assert deployment(store) is None


@given(st.permutations([("ADDED", 1), ("MODIFIED", 2), ("MODIFIED", 5), ("MODIFIED", 9)]))
def test_the_newest_state_counts_whatever_comes_first(events: list[tuple[str, int]]) -> None:
    store = Store()
    for event, version in events:
        store.observe(event, thing(version, spec={"replicas": version}))
    assert deployment(store)["spec"] == {"replicas": 9}


def test_a_listing_under_way_does_not_bring_back_what_was_deleted_meanwhile() -> None:
    store = Store()
    listing = Listing(store, DEPLOYMENT)
    store.put(thing(10))
    store.observe("DELETED", thing(20))
    listing.page([thing(10)], "15")
    listing.end()
    assert deployment(store) is None
    assert store.observe("ADDED", thing(21, uid="2")) == {KEY}, "one made anew is another"


def test_a_late_answer_does_not_bring_back_what_was_deleted_meanwhile() -> None:
    store = Store()
    store.put(thing(10))
    store.observe("DELETED", thing(20))
    assert store.put(thing(12)) == set()
    replace(store, DEPLOYMENT, [], "30")
    assert store.put(thing(12)) == set(), "the deletion is forgotten, the list is not"


def test_a_deletion_is_remembered_even_of_an_object_that_was_not_known_yet() -> None:
    store = Store()
    store.observe("DELETED", thing(20))
    assert store.put(thing(12)) == set()


def test_what_the_api_server_did_not_find_stays_away_until_a_list_contains_it() -> None:
    store = Store()
    store.put(thing(10, uid="old"))
    store.forget(DEPLOYMENT, "team", "p-bridge", "old")
    assert store.put(thing(12, uid="old")) == set()
    assert replace(store, DEPLOYMENT, [thing(10, uid="old")], "30") == {KEY}


def test_deletions_are_not_remembered_for_longer_than_needed() -> None:
    store = Store()
    store.observe("DELETED", thing(20))
    listing = Listing(store, DEPLOYMENT)
    store.observe("DELETED", thing(25, name="p-whisper"))
    listing.page([], "22")
    listing.end()
    assert {place.name for place in store.tombstones(Scope("Deployment", ""))} == {"p-whisper"}


def test_a_listing_comes_in_pages() -> None:
    store = Store()
    store.put(thing(1, name="p-ollama"))
    listing = Listing(store, DEPLOYMENT)
    listing.page([thing(2)], "9")
    listing.page([thing(3, name="p-whisper")], "9")
    assert Ref("Deployment", "p-ollama") in store.objects(KEY), "it may be on the last page"
    assert listing.end() == {KEY}
    assert set(store.objects(KEY)) == {Ref("Deployment", "p-bridge"), Ref("Deployment", "p-whisper")}


@given(st.permutations([("ADDED", 1), ("MODIFIED", 5), ("DELETED", 9), (None, 3), ("MODIFIED", 7)]))
def test_what_is_deleted_stays_deleted_whatever_comes_last(events: list[tuple[str | None, int]]) -> None:
    store = Store()
    for event, version in events:
        store.observe(event, thing(version))
    assert deployment(store) is None


def elsewhere(version: int) -> dict[str, Any]:
    found = thing(version, uid="2")
    found["metadata"]["namespace"] = "night"
    return found


def test_a_list_of_one_namespace_concerns_that_namespace_alone() -> None:
    store = Store()
    store.put(thing(1))
    store.put(elsewhere(2))
    assert replace(store, DEPLOYMENT, [], "9", "night") == {Key("night", "p")}
    assert deployment(store), "it is in another namespace"
    assert store.listed(DEPLOYMENT, "night")
    assert not store.listed(DEPLOYMENT, "team")


def test_each_namespace_has_the_version_of_its_own_list() -> None:
    store = Store()
    replace(store, DEPLOYMENT, [], "9", "night")
    assert store.put(elsewhere(8)) == set(), "the list did not contain it"
    assert store.put(thing(8)) == {KEY}, "no list of its namespace says otherwise"


def test_a_cluster_restored_from_a_backup_is_so_in_every_namespace_by_itself() -> None:
    store = Store()
    for namespace, body in (("team", thing(50)), ("night", elsewhere(51))):
        replace(store, DEPLOYMENT, [body], "60", namespace)
    replace(store, DEPLOYMENT, [elsewhere(5)], "6", "night")
    assert deployment(store)["metadata"]["resourceVersion"] == "50"
    assert store.objects(Key("night", "p"))[Ref("Deployment", "p-bridge")]["metadata"]["resourceVersion"] == "5"
