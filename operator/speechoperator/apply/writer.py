"""Writes what a plan asks for: objects and deletions."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from speechoperator.api import kinds
from speechoperator.api.labels import PIPELINE
from speechoperator.api.names import DESIRED_REPLICAS, MODELS_REVISION, POD_DELETION_COST
from speechoperator.kube import collisions, drift, managed_fields, objects
from speechoperator.kube.errors import ApiError, Request
from speechoperator.kube.kinds import POD, PVC, REPLICA_SET
from speechoperator.kube.objects import Ref
from speechoperator.plan.snapshot import NAME_CONFLICT
from speechoperator.settings import OPERATOR, SCALER

if TYPE_CHECKING:
    from speechoperator.kube.client import KubeClient
    from speechoperator.kube.fenced_client import FencedClient, Why
    from speechoperator.kube.kinds import Kind
    from speechoperator.kube.objects import Json, Key, Object
    from speechoperator.plan.actions import AnnotatePod, Apply, Delete, Orphan, PodCost, ResumeRollout, Scale
    from speechoperator.watch.store import Store

_FOREIGN = "an object of this name exists that this pipeline did not create"


class Writer:
    """Carries out single actions.

    Args:
        client: What writes.
        reads: What reads objects that are not the operator's.
        store: What is known of the cluster.
    """

    def __init__(self, client: FencedClient, reads: KubeClient, store: Store) -> None:
        self._client = client
        self._reads = reads
        self._store = store

    def uid(self, key: Key) -> str:
        """Return the uid of a pipeline, "" if it is gone or terminating: then nothing may be written for it."""
        pipeline = self._store.pipeline(key)
        return "" if pipeline is None or objects.terminating(pipeline) else objects.uid(pipeline)

    async def apply(self, key: Key, action: Apply) -> Json | None:
        """Server-side apply of a pipeline's object; return it as it is then, None if the pipeline is gone.

        Raises:
            ApiError: the write was rejected; with the reason `NAME_CONFLICT` if the name belongs to an object that this
                pipeline did not create.
        """
        kind = kinds.BY_NAME[action.object["kind"]]
        if not objects.owners(action.object) and not await self._exists(key):
            return None
        if self._store.has(key, Ref(kind.name, action.object["metadata"]["name"])):
            return await self._update(kind, action)
        return await self._create(kind, action)

    def has(self, key: Key, action: Scale) -> bool:
        """Return whether the Deployment to be scaled exists: its creation may have been rejected."""
        return self._store.has(key, action.ref)

    async def scale(self, key: Key, action: Scale) -> Json:
        """Server-side apply of the replicas of an existing Deployment, and of nothing else.

        Raises:
            ApiError: the write was rejected, or the Deployment was recreated since it was observed.
        """
        kind = kinds.BY_NAME[action.ref.kind]
        uid = objects.uid(self._store.objects(key)[action.ref])
        body: Json = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": action.ref.name, "namespace": key.namespace, "uid": uid},
            "spec": {"replicas": action.replicas},
        }
        return await self._client.write(
            "apply",
            kind,
            key.namespace,
            action.ref.name,
            body,
            why="scaled",
            reason=f"{action.before} -> {action.replicas}: {action.reason}" + (f" [{action.id}]" if action.id else ""),
            query={"fieldManager": SCALER, "force": "true", "fieldValidation": "Strict"},
        )

    async def resume(self, key: Key, action: ResumeRollout) -> Json:
        """Tell the ReplicaSets of a Deployment its replicas; return those that did not know, by name.

        Raises:
            ApiError: a read or a write was rejected.
        """
        labels = f"{PIPELINE}={key.name}"
        listed, _ = await self._reads.list(REPLICA_SET, key.namespace, labels=labels)
        wanted = {DESIRED_REPLICAS: str(action.replicas)}
        corrected: Json = {}
        for one in listed:
            meta, active = one["metadata"], one["spec"].get("replicas", 1) > 0
            noted = (meta.get("annotations") or {}).get(DESIRED_REPLICAS)
            if not active or noted in {None, wanted[DESIRED_REPLICAS]} or action.uid not in objects.owners(one):
                continue
            corrected[meta["name"]] = await self._client.write(
                "merge",
                REPLICA_SET,
                key.namespace,
                meta["name"],
                {"metadata": {"uid": meta["uid"], "annotations": wanted}},
                why="resumed",
                reason=f"the rollout of {action.ref.name} has stopped: {DESIRED_REPLICAS} is {noted}, not "
                f"{action.replicas}",
            )
        return corrected

    async def cost(self, key: Key, action: PodCost) -> Json:
        """Write the deletion cost of a pod.

        Raises:
            ApiError: the write was rejected; 404 or 409 if the pod is gone.
        """
        annotations = {POD_DELETION_COST: str(action.cost)}
        return await self._annotate(key, action, annotations, why="cost", reason=f"its deletion cost is {action.cost}")

    async def annotate(self, key: Key, action: AnnotatePod) -> Json:
        """Annotate a pod, so that its kubelet synchronizes it at once.

        Raises:
            ApiError: the write was rejected; 404 or 409 if the pod is gone.
        """
        annotations = {MODELS_REVISION: action.revision}
        reason = f"its list of models is {action.revision}"
        return await self._annotate(key, action, annotations, why="models", reason=reason)

    async def _annotate(
        self,
        key: Key,
        action: PodCost | AnnotatePod,
        annotations: dict[str, str],
        *,
        why: Literal["cost", "models"],
        reason: str,
    ) -> Json:
        """Write annotations of a pod, unless another one has its name by now."""
        metadata = {"uid": action.uid, "annotations": annotations}
        return await self._client.write(
            "merge", POD, key.namespace, action.pod, {"metadata": metadata}, why=why, reason=reason
        )

    async def other_writer(self, action: Apply) -> str:
        """Return the field manager that wrote what an apply is about to change; "" if it is unknown.

        Raises:
            ApiError: the API server failed or did not respond.
        """
        try:
            existing = await self._existing(kinds.BY_NAME[action.object["kind"]], action.object)
        except ApiError as error:
            if error.affects_all:
                raise
            return ""
        field, _, _ = action.reason.partition(" ")
        return managed_fields.writer_of(existing, field, OPERATOR) if existing else ""

    async def _create(self, kind: Kind, action: Apply) -> Json:
        """Apply an object that is missing, without force: one of this name may belong to others.

        It may also be the pipeline's, without the operator's label. A PVC is looked up first: one that matches the
        manifest would be adopted without a conflict, and then deleted with the pipeline.
        """
        meta = action.object["metadata"]
        existing = await self._existing(kind, action.object) if kind == PVC else None
        if existing and not _ours(existing, action.object):
            request = Request("create", kind.resource, meta["namespace"], meta["name"])
            raise ApiError(request, HTTPStatus.CONFLICT, NAME_CONFLICT, _FOREIGN)
        try:
            return await self._apply(kind, action, "missing", force=False)
        except ApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            existing = await self._existing(kind, action.object)
            if existing is None:
                raise
            if not _ours(existing, action.object):
                raise ApiError(error.request, error.status, NAME_CONFLICT, f"{_FOREIGN}: {error.message}") from error
        return await self._apply(kind, action, "missing")

    async def _exists(self, key: Key) -> bool:
        """Ask the API server whether a pipeline still exists.

        Nothing would delete an object without an owner after its pipeline, and the store may be late.
        """
        uid = self.uid(key)
        found, _ = await self._reads.list(kinds.PIPELINE, key.namespace, fields=f"metadata.name={key.name}")
        if not found:
            self._store.forget(kinds.PIPELINE, key.namespace, key.name, uid)
        for pipeline in found:
            self._store.put({"kind": kinds.PIPELINE.name, "apiVersion": kinds.PIPELINE.api_version, **pipeline})
        return bool(uid) and self.uid(key) == uid

    async def _existing(self, kind: Kind, wanted: Object) -> Object | None:
        """Return the object of this kind and name, None if there is none."""
        meta = wanted["metadata"]
        found, _ = await self._reads.list(kind, meta["namespace"], fields=f"metadata.name={meta['name']}")
        return found[0] if found else None

    async def _update(self, kind: Kind, action: Apply) -> Json:
        """Apply an object of the pipeline; its fields are taken back from whoever changed them.

        What cannot stay beside them is removed first, see `collisions`.
        """
        try:
            return await self._apply(kind, action, "changed")
        except ApiError as error:
            if error.status != HTTPStatus.UNPROCESSABLE_ENTITY or "spec" not in action.object:
                raise
            existing = await self._existing(kind, action.object)
            patch = collisions.patch(existing, action.object) if existing else None
            if patch is None:
                raise
        meta = action.object["metadata"]
        await self._client.write(
            "merge",
            kind,
            meta["namespace"],
            meta["name"],
            patch,
            why="changed",
            reason=f"{action.reason}; server-side apply alone cannot revert it",
        )
        return await self._apply(kind, action, "changed")

    async def _apply(self, kind: Kind, action: Apply, why: Why, *, force: bool = True) -> Json:
        """Apply. Unknown fields are rejected, not dropped: a dropped field would look missing on every reconcile."""
        meta = action.object["metadata"]
        return await self._client.write(
            "apply",
            kind,
            meta["namespace"],
            meta["name"],
            dict(action.object),
            why=why,
            reason=action.reason,
            query={"force": str(force).lower(), "fieldValidation": "Strict"},
        )

    async def delete(self, namespace: str, action: Delete) -> None:
        """Delete an object in the state that was observed. One that was recreated or changed since then stays."""
        kind = kinds.BY_NAME[action.ref.kind]
        seen = {"uid": action.uid, "resourceVersion": action.version}
        body: Json = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {name: value for name, value in seen.items() if value},
        }
        try:
            await self._client.write(
                "delete", kind, namespace, action.ref.name, body, why="pruned", reason=action.reason
            )
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            self._store.forget(kind, namespace, action.ref.name, action.uid)

    async def orphan(self, namespace: str, action: Orphan) -> None:
        """Remove an ownerReference, whoever set it, and leave the rest. An object that is gone is fine.

        The patch is that of Kubernetes' garbage collector when it orphans:
        https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/controller/garbagecollector/patch.go
        """
        kind = kinds.BY_NAME[action.ref.kind]
        removed = {"$patch": "delete", "uid": action.owner}
        body: Json = {"metadata": {"uid": action.uid, "ownerReferences": [removed]}}
        try:
            await self._client.write(
                "strategic", kind, namespace, action.ref.name, body, why="orphaned", reason=action.reason
            )
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND or error.namespace_terminating:
                raise
            self._store.forget(kind, namespace, action.ref.name, action.uid)


def _ours(existing: Object, wanted: Object) -> bool:
    """Return whether the operator created an object; a PVC that is retained has no owner."""
    owners = objects.owners(existing)
    applied = drift.APPLIED in (existing["metadata"].get("annotations") or {})
    return bool(owners & objects.owners(wanted)) or (wanted["kind"] == PVC.name and applied and not owners)
