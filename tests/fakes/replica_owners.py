"""Server-side apply of `spec.replicas` of a Deployment by several field managers, as in an API server.

A forced apply of another number makes its manager the only owner. A field that its last owner no longer applies gets
the default of 1.
"""

from __future__ import annotations

from typing import Any

from speechoperator.api.names import REPLICAS
from speechoperator.kube import managed_fields

Object = dict[str, Any]


def applied(old: Object | None, new: Object, manager: str) -> Object:
    """A Deployment after an apply of all of it, or of its replicas alone; other objects are what was applied."""
    if new["kind"] != "Deployment":
        return new
    given = new["spec"].get("replicas")
    before = old["spec"].get("replicas", 1) if old else None
    known = managed_fields.owners_of(old, REPLICAS) if old else ()
    others = [owner for owner in known if owner != manager]
    if given is not None:
        replicas, owners = given, [*others, manager] if given == before else [manager]
    else:
        replicas, owners = (1 if before is None or known == (manager,) else before), others
    whole = new if "template" in new["spec"] or old is None else old
    fields = [{"manager": owner, "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}} for owner in owners]
    metadata = {**whole["metadata"], "managedFields": fields}
    return {**whole, "metadata": metadata, "spec": {**whole["spec"], "replicas": replicas}}
