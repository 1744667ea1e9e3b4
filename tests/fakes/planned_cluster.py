"""A fake of the cluster for plans: it stores what is applied like an API server, and runs the pods.

As in an API server, defaults are added to what is applied, fields no longer applied are removed (server-side apply with
one manager; the replicas of Deployments have several), generation counts changes of the spec, and every object gets a
uid. A snapshot contains copies, as every read of the operator's cache does. `settle` does the work of all controllers
at once. Time passes only by `later`.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cluster.pipelines import pipeline
from fakes import replica_owners
from speechoperator.api import SpeechPipeline
from speechoperator.api.names import MODELS_REVISION, POD_DELETION_COST
from speechoperator.kube.objects import Ref
from speechoperator.plan import plan
from speechoperator.plan.models import definitions, model_list
from speechoperator.plan.models.names import canonical
from speechoperator.plan.models.pull_errors import retry_at
from speechoperator.plan.rollout import claims
from speechoperator.plan.scaling.history import History
from speechoperator.plan.scaling.load import Loads
from speechoperator.plan.scaling.restore import from_status
from speechoperator.plan.snapshot import (
    EXTERNAL,
    Canary,
    Fetch,
    Health,
    OllamaPod,
    Pull,
    Snapshot,
    WarmUp,
    WriteFailure,
)
from speechoperator.settings import OPERATOR, SCALER, Settings

if TYPE_CHECKING:
    from speechoperator.plan.actions import Plan
    from speechoperator.plan.built import Built
    from speechoperator.plan.scaling.load import Report

Object = dict[str, Any]

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WRITTEN_NOON = "2026-11-23T12:00:00Z"

_POD_DEFAULTS: Object = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "serviceAccount": "x",
}
_DEFAULTS: Mapping[str, Object] = {
    "Deployment": {"spec": {"template": {"spec": _POD_DEFAULTS, "metadata": {"creationTimestamp": None}}}},
    "Service": {
        "spec": {"sessionAffinity": "None", "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster"}
    },
    "PersistentVolumeClaim": {"spec": {"volumeMode": "Filesystem", "storageClassName": "standard"}},
}


@dataclass
class PlannedCluster:
    """The namespace of one pipeline.

    Attributes:
        raw: The pipeline as the API server stores it.
        now: The time.
        stored: Canonical names of the models in each volume.
        canary: The canary request; a test that wants one sends and answers it.
        fetches: What init containers report about weights, by pod.
        health: Health of external services, by component.
        slots: How many pipelines may be updated to a new operator release at the same time; 0: the others are first.
        may_update: Whether it is this one's turn.
        external_models: The models of an external Ollama.
        external_rejects: Whether it does not list them without credentials.
        models_revisions: Which list of models each bridge has read, by the name of its pod; None if it has not said.
        bridges_report: Whether they say so.
        loads: What the pods and bridges report of their work.
        pod_loads: What each pod reports, by name.
        history: What the scaler remembers.
        built: The manifests of the last plan.
        missing_claims: Names of PVCs that do not exist; those of other names that a spec mentions do.
        unseen_claims: Names of PVCs that the operator has not looked up yet.
    """

    raw: Object
    now: datetime = NOON
    objects: dict[Ref, Object] = field(default_factory=dict)
    pods: list[Object] = field(default_factory=list)
    stored: dict[str, set[str]] = field(default_factory=dict)
    pulls: dict[tuple[str, str], Pull] = field(default_factory=dict)
    fetches: dict[str, Fetch] = field(default_factory=dict)
    refreshed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    warm_ups: dict[str, WarmUp] = field(default_factory=dict)
    health: dict[str, Health] = field(default_factory=dict)
    external_models: set[str] = field(default_factory=set)
    external_rejects: bool = False
    pvc_warnings: dict[str, str] = field(default_factory=dict)
    pod_warnings: dict[str, str] = field(default_factory=dict)
    failures: tuple[WriteFailure, ...] = ()
    unreadable: tuple[WriteFailure, ...] = ()
    ingress_class_missing: str | None = None
    slots: int = 1
    may_update: bool = False
    models_revisions: dict[str, str | None] = field(default_factory=dict)
    bridges_report: bool = True
    loads: Loads = field(default_factory=Loads)
    pod_loads: dict[str, Report] = field(default_factory=dict)
    history: History = field(default_factory=History)
    built: Built | None = None
    missing_claims: set[str] = field(default_factory=set)
    unseen_claims: set[str] = field(default_factory=set)
    canary: Canary | None = None
    settings: Settings = field(default_factory=lambda: Settings(verification=False))
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.raw["metadata"] = {"namespace": "team", "uid": "pipeline-uid", "generation": 1} | self.raw["metadata"]

    # The operator.

    @property
    def name(self) -> str:
        name: str = self.raw["metadata"]["name"]
        return name

    def snapshot(self) -> Snapshot:
        reachable = {pod["metadata"]["name"]: self._tags(pod) for pod in self.pods if _is_running_ollama(pod)}
        url = self.raw["spec"]["ollama"].get("url")
        has = {} if self.external_rejects else dict.fromkeys(self.external_models, "digest")
        external = OllamaPod(reachable=True, models=has, rejected=self.external_rejects)
        return Snapshot(
            objects={ref: copy.deepcopy(one) for ref, one in self.objects.items()},
            pods=tuple(map(copy.deepcopy, self.pods)),
            ollama=reachable | ({EXTERNAL: external} if url else {}),
            external=dict(self.health),
            pulls=dict(self.pulls),
            canary=self.canary,
            fetches=dict(self.fetches),
            refreshed=dict(self.refreshed),
            warm_ups=dict(self.warm_ups),
            existing_claims={name: claims.obstacle(self._claims(name), name) for name in self._moved_to()},
            ingress_class_missing=self.ingress_class_missing,
            pvc_warnings=dict(self.pvc_warnings),
            pod_warnings=dict(self.pod_warnings),
            models_revisions=dict(self.models_revisions) if self.bridges_report else {},
            may_update=self.may_update,
            failures=self.failures,
            unreadable=self.unreadable,
            status=self.raw.get("status", {}),
            loads=self.loads,
            pod_loads=dict(self.pod_loads),
            history=self.history,
            built=self.built,
        )

    def _moved_to(self) -> set[str]:
        pipeline = SpeechPipeline.parse(self.raw)
        return {move.claim for move in claims.moves(pipeline, self.objects) if move.claim not in self.unseen_claims}

    def _claims(self, name: str) -> list[Object]:
        """The PVCs of this name, as a listing finds them: a PVC of a user is there unless it is missing."""
        own = self.objects.get(Ref("PersistentVolumeClaim", name))
        theirs = {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteMany"]}, "status": {"phase": "Bound"}}
        return [own] if own else [] if name in self.missing_claims else [theirs]

    def plan(self) -> Plan:
        return plan(SpeechPipeline.parse(self.raw), self.snapshot(), self.now, self.settings)

    def carry_out(self, planned: Plan) -> None:
        for orphan in planned.orphan:
            meta = self.objects[orphan.ref]["metadata"]
            assert meta["uid"] == orphan.uid
            meta["ownerReferences"] = [one for one in meta["ownerReferences"] if one["uid"] != orphan.owner]
        for one in planned.apply:
            self._apply(copy.deepcopy(dict(one.object)))
        notes = [(one.pod, MODELS_REVISION, one.revision) for one in planned.annotate]
        notes += [(cost.pod, POD_DELETION_COST, str(cost.cost)) for cost in planned.costs]
        for pod, name, value in notes:
            self.pod(pod)["metadata"].setdefault("annotations", {})[name] = value
        for scale in planned.scales:
            self.write_replicas(scale.ref.name, scale.replicas, SCALER)
        for gone in planned.delete:
            assert self.objects[gone.ref]["metadata"]["uid"] == gone.uid
            del self.objects[gone.ref]
        for stop in planned.stops:
            del self.pulls[stop.volume, stop.model]
        for pull in planned.pulls:
            before = self.pulls.get((pull.volume, pull.model))
            known = before or Pull(pull.model, pull.volume, "Pulling")
            self.pulls[pull.volume, pull.model] = replace(known, stage="Pulling", pod=pull.pod, retry_at=None)
        self.history = planned.history or self.history
        self.built = planned.built
        for load in planned.warm_ups:
            self.warm_ups[load.pod] = WarmUp(load.pod, load.key, "Loading")
        for removal in planned.removals:
            self.stored[removal.volume].remove(removal.model)
        self.raw["status"] = copy.deepcopy(planned.status)
        self.may_update = planned.update != "none" and self.slots > 0

    def step(self) -> Plan:
        """Plan, and carry out the plan."""
        planned = self.plan()
        self.carry_out(planned)
        return planned

    def run(self, rounds: int = 40) -> Plan:
        """Plan, carry out and let all controllers work, until nothing is left to do."""
        for _ in range(rounds):
            planned = self.step()
            writes = planned.orphan or planned.apply or planned.annotate or planned.scales or planned.delete
            idle = not (writes or planned.stops or planned.pulls or planned.warm_ups or planned.removals)
            if not self.settle() and idle and self.plan().status == self.raw["status"]:
                return self.plan()
        raise AssertionError(f"the pipeline does not converge: {planned}")

    def new_leader(self) -> None:
        """Let another replica of the operator take over: it knows what the status says."""
        self.history = from_status(self.raw["status"], self.now)

    def write_replicas(self, name: str, replicas: int, manager: str) -> None:
        """Apply the replicas of a Deployment, and nothing else."""
        live = self.objects[Ref("Deployment", name)]
        changed = live["spec"].get("replicas", 1) != replicas
        new = replica_owners.applied(live, {"kind": "Deployment", "spec": {"replicas": replicas}}, manager)
        new["metadata"]["generation"] += changed
        self.objects[Ref("Deployment", name)] = new

    # Users.

    def edit(self, spec: Mapping[str, Any]) -> None:
        if self.raw["spec"] != spec:
            self.raw["spec"] = copy.deepcopy(dict(spec))
            self.raw["metadata"]["generation"] += 1

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # The cluster.

    def pod(self, name: str) -> Object:
        return next(pod for pod in self.pods if pod["metadata"]["name"] == name)

    def pods_of(self, component: str) -> list[Object]:
        return [pod for pod in self.pods if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component]

    def object(self, kind: str, name: str) -> Object:
        return self.objects[Ref(kind, name)]

    def settle(self) -> bool:
        """Let controllers, kubelets and pulls finish their work; return whether anything changed."""
        before = self._state()
        for (volume, model), pull in list(self.pulls.items()):
            if pull.stage == "Pulling":
                self.stored.setdefault(volume, set()).update(
                    {canonical(model), *self._derived(model), *self._marked(model)}
                )
                self.refreshed[volume, model] = self.now
                del self.pulls[volume, model]
        names = {pod["metadata"]["name"] for pod in self.pods}
        self.warm_ups = {name: replace(one, stage="Loaded") for name, one in self.warm_ups.items() if name in names}
        for found in (thing for ref, thing in self.objects.items() if ref.kind == "PersistentVolumeClaim"):
            found["status"] = {"phase": "Bound"}
        for found in (thing for ref, thing in self.objects.items() if ref.kind == "HTTPRoute"):
            accepted = {"type": "Accepted", "status": "True", "reason": "Accepted"}
            found["status"] = {
                "parents": [{"parentRef": dict(ref), "conditions": [accepted]} for ref in found["spec"]["parentRefs"]]
            }
        for found in (thing for ref, thing in self.objects.items() if ref.kind == "HorizontalPodAutoscaler"):
            scaled = self.objects[Ref("Deployment", found["spec"]["scaleTargetRef"]["name"])]["spec"]
            scaled["replicas"] = min(
                max(scaled["replicas"], found["spec"]["minReplicas"]), found["spec"]["maxReplicas"]
            )
        for ref, deployment in list(self.objects.items()):
            if ref.kind == "Deployment":
                self._roll(deployment)
        names = {ref.name for ref in self.objects if ref.kind == "Deployment"}
        self.pods = [pod for pod in self.pods if pod["metadata"]["labels"]["deployment"] in names]
        self._mount_models()
        return before != self._state()

    def _mount_models(self) -> None:
        """Bring the list of models to new bridges, and a new one to those that were changed since."""
        before, self.models_revisions = self.models_revisions, {}
        revision = model_list.revision(self.objects.get(model_list.ref(self.name), {}))
        for pod in self.pods_of("bridge"):
            name, written = pod["metadata"]["name"], pod["metadata"].get("annotations", {})
            read = written.get(MODELS_REVISION) == revision
            self.models_revisions[name] = revision if read else before.get(name, revision)

    def _marked(self, name: str) -> set[str]:
        """The marker of a model that was pulled."""
        models = SpeechPipeline.parse(self.raw).spec.ollama.models
        return {
            definitions.source_marker(name, model.pulled_as)
            for model in models
            if model.name == name and model.base is None
        }

    def _derived(self, name: str) -> set[str]:
        """The base and the marker of a model, if it is a derived one; all digests are the same."""
        models = SpeechPipeline.parse(self.raw).spec.ollama.models
        found = next((model for model in models if model.name == name and model.base), None)
        if found is None or found.base is None:
            return set()
        return {canonical(found.base), definitions.marker(name, definitions.definition(found), "d")}

    def fail_pull(self, error: str) -> None:
        """Let every running pull fail."""
        for key, pull in self.pulls.items():
            if pull.stage == "Pulling":
                attempts = pull.attempts + 1
                retry = retry_at(attempts, self.now)
                self.pulls[key] = replace(pull, stage="Failed", error=error, attempts=attempts, retry_at=retry)

    def _state(self) -> str:
        return json.dumps(
            [
                [*self.objects.values()],
                self.pods,
                [*self.pulls],
                sorted(map(sorted, self.stored.values())),
                [[one.pod, one.stage] for one in self.warm_ups.values()],
                self.models_revisions,
            ]
        )

    def _roll(self, deployment: Object) -> None:
        name = deployment["metadata"]["name"]
        generation = deployment["metadata"]["generation"]
        template = deployment["spec"]["template"]
        mine = [pod for pod in self.pods if pod["metadata"]["labels"]["deployment"] == name]
        current = sorted((pod for pod in mine if pod["template"] == template), key=_deletion_cost, reverse=True)
        kept = current[: deployment["spec"].get("replicas", 1)]
        self.pods = [pod for pod in self.pods if pod not in mine or pod in kept]
        for _ in range(deployment["spec"].get("replicas", 1) - len(kept)):
            kept.append(self._new_pod(name, template))
            self.pods.append(kept[-1])
        for pod in kept:
            self._probe(pod)
            _refresh(pod)
        count = len(kept)
        ready = sum(1 for pod in kept if any(_is(one, "Ready") for one in pod["status"].get("conditions", [])))
        deployment["status"] = {
            "observedGeneration": generation,
            **({"replicas": count, "updatedReplicas": count} if count else {}),
            **({"readyReplicas": ready, "availableReplicas": ready} if ready else {}),
        }

    def _new_pod(self, deployment: str, template: Object) -> Object:
        number = next(self._numbers)
        name = f"{deployment}-5d8f7-{number:05d}"
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": "team",
                "uid": f"uid-{number}",
                "creationTimestamp": WRITTEN_NOON,
                "labels": {**template["metadata"]["labels"], "deployment": deployment},
            },
            "spec": copy.deepcopy(template["spec"]),
            "status": {
                **serving(template["spec"]["containers"][0]["name"], f"10.0.0.{number % 250 + 1}"),
                "initContainerStatuses": [
                    {
                        "name": one["name"],
                        "ready": True,
                        "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
                    }
                    for one in template["spec"].get("initContainers", ())
                ],
            },
            "template": copy.deepcopy(template),
        }

    def _probe(self, pod: Object) -> None:
        """Let the readiness probe of an Ollama pod compare its models with those in the ConfigMap."""
        config = self.objects.get(Ref("ConfigMap", f"{self.name}-ollama"))
        if config is None or not _is_running_ollama(pod):
            return
        listed = config["data"].get("models")  # it fails without
        required = (listed or "").split()
        missing = [model for model in required if model not in self._tags(pod).models]
        passed = pod.setdefault("probed", False) and not set(required[:1]) & set(missing)
        pod["probed"] = ready = listed is not None and (passed or not missing)
        for container in pod["status"]["containerStatuses"]:
            container["ready"] = ready
        for one in pod["status"].get("conditions", []):
            if one["type"] == "ContainersReady":
                one["status"] = str(ready)
        self.pod_warnings.pop(pod["metadata"]["name"], None)
        if not ready:
            self.pod_warnings[pod["metadata"]["name"]] = f"Readiness probe failed: missing models: {' '.join(missing)}"

    def _tags(self, pod: Object) -> OllamaPod:
        for volume in pod["spec"]["volumes"]:
            if claim := volume.get("persistentVolumeClaim"):
                return OllamaPod(
                    reachable=True, models=dict.fromkeys(self.stored.get(f"pvc:{claim['claimName']}", ()), "d")
                )
        name = pod["metadata"]["name"]
        return OllamaPod(reachable=True, models=dict.fromkeys(self.stored.get(f"pod:{name}", ()), "d"))

    def _apply(self, manifest: Object) -> None:
        ref = Ref(manifest["kind"], manifest["metadata"]["name"])
        old = self.objects.get(ref)
        new = _merged(_DEFAULTS.get(ref.kind, {}), manifest)
        new = replica_owners.applied(old, new, OPERATOR)
        meta = new["metadata"]
        meta["uid"] = old["metadata"]["uid"] if old else f"uid-{next(self._numbers)}"
        meta["creationTimestamp"] = WRITTEN_NOON
        same = old is not None and old.get("spec") == new.get("spec")
        before = old["metadata"].get("generation", 1) if old else 0
        meta["generation"] = before if same else before + 1
        if old and "status" in old:
            new["status"] = old["status"]
        self.objects[ref] = new


def converged(*changes: Mapping[str, Any]) -> PlannedCluster:
    """A cluster in which a pipeline with these changes of its spec has converged."""
    found = PlannedCluster(pipeline(*changes))
    found.run()
    return found


def condition(planned: Plan, kind: str) -> Object:
    """A condition of the planned status."""
    found: Object = next(one for one in planned.status["conditions"] if one["type"] == kind)
    return found


def verdict(planned: Plan, kind: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition of the planned status."""
    found = condition(planned, kind)
    return found["status"], found["reason"], found["message"]


def serving(container: str, ip: str = "10.0.0.1") -> Object:
    """The status of a ready pod."""
    return {
        "phase": "Running",
        "podIP": ip,
        "startTime": WRITTEN_NOON,
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "ContainersReady", "status": "True"},
            {"type": "Ready", "status": "True"},
        ],
        "containerStatuses": [
            {
                "name": container,
                "image": "image",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": WRITTEN_NOON}},
                "lastState": {},
            }
        ],
    }


def _deletion_cost(pod: Object) -> int:
    return int(pod["metadata"].get("annotations", {}).get(POD_DELETION_COST, "0"))


def _is(condition: Object, kind: str) -> bool:
    return bool(condition["type"] == kind and condition["status"] == "True")


def _is_running_ollama(pod: Object) -> bool:
    labels = pod["metadata"]["labels"]
    return labels["app.kubernetes.io/component"] == "ollama" and any(
        "running" in one["state"] for one in pod["status"].get("containerStatuses", [])
    )


def _refresh(pod: Object) -> None:
    """Let the kubelet sum up the containers in Ready."""
    conditions = pod["status"].get("conditions", [])
    contained = any(_is(one, "ContainersReady") for one in conditions)
    for one in conditions:
        if one["type"] == "Ready":
            one["status"] = str(contained)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> Object:
    merged = copy.deepcopy(dict(under))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else copy.deepcopy(value)
    return merged
