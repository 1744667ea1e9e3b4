"""Fields that the CRDs of an older Gateway API do not have: the manifest of the HTTPRoute leaves them out.

`timeouts` is not in the standard channel of Gateway API 1.0 and 1.1
(https://gateway-api.sigs.k8s.io/geps/gep-1742/). Nothing but a refused write tells, so the field is tried once for each
version of the manifest; the annotation with the hash of the applied manifest tells that it went without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.api.kinds import ROUTE
from speechoperator.kube import drift, objects
from speechoperator.kube.objects import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from speechoperator.kube.objects import Object
    from speechoperator.plan.snapshot import WriteFailure

_REFUSED = ".timeouts: field not declared in schema"


def without_unsupported_fields(
    manifests: Iterable[Object], live: Mapping[Ref, Object], failures: Iterable[WriteFailure]
) -> tuple[Object, ...]:
    """Return the manifests without fields that the cluster has refused; one that is changed with its new hash.

    Args:
        manifests: The manifests of the pipeline.
        live: The existing objects.
        failures: Writes of the last reconcile that were refused.
    """
    refused = {failure.ref for failure in failures if _REFUSED in failure.message}
    return tuple(
        _supported(manifest, live, refused) if manifest["kind"] == ROUTE.name else manifest for manifest in manifests
    )


def _supported(route: Object, live: Mapping[Ref, Object], refused: set[Ref]) -> Object:
    rules = [{key: value for key, value in rule.items() if key != "timeouts"} for rule in route["spec"]["rules"]]
    bare = drift.stamped({**route, "spec": {**route["spec"], "rules": rules}})
    ref = Ref(ROUTE.name, objects.name(route))
    annotations = live[ref]["metadata"].get("annotations") or {} if ref in live else {}
    went_without = annotations.get(drift.APPLIED) == bare["metadata"]["annotations"][drift.APPLIED]
    return bare if ref in refused or went_without else route
