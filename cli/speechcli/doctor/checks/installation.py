"""Whether the CRD and the operator are installed, run, and fit each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechcli.doctor.facts import annotations_of, labels, name
from speechcli.doctor.verdicts import fault, ok, unchecked, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from speechcli.doctor.facts import Facts, Json
    from speechcli.doctor.verdicts import Verdict

AREA = "operator"
CRD_VERSION = "speechpipeline.dev/version"
OPERATOR_VERSION = "app.kubernetes.io/version"


def check(facts: Facts) -> Iterator[Verdict]:
    """Judge the CRD and each operator."""
    crd = next((annotations_of(one).get(CRD_VERSION, "") for one in facts.crd.items), "")
    if facts.crd.refused:
        yield unchecked(AREA, f"CRD: {facts.crd.refused}")
    else:
        yield ok(AREA, f"CRD {crd or 'of an unknown version'} installed")
    if facts.operators.refused:
        yield unchecked(AREA, f"operator: {facts.operators.refused}")
        return
    if not facts.operators.items:
        yield fault(
            AREA,
            "no operator is installed: nothing acts on the pipeline",
            "helm install speech charts/speechpipeline --namespace speechpipeline --create-namespace",
        )
    for deployment in facts.operators.items:
        yield from _operator(deployment, crd)


def _operator(deployment: Json, crd: str) -> Iterator[Verdict]:
    where = f"-n {deployment['metadata'].get('namespace', '')}"
    version = labels(deployment).get(OPERATOR_VERSION, "") or "of an unknown version"
    ready = int((deployment.get("status") or {}).get("readyReplicas") or 0)
    wanted = int((deployment.get("spec") or {}).get("replicas", 1))
    if not ready:
        yield fault(
            AREA,
            f"operator {name(deployment)}: 0 of {wanted} pods are ready",
            f"kubectl {where} describe deployment {name(deployment)}; kubectl {where} logs deploy/{name(deployment)}",
        )
    else:
        yield ok(AREA, f"operator {version}: {ready} of {wanted} pods ready in {where.removeprefix('-n ')}")
    if crd and version[:1].isdigit() and version != crd:
        yield warning(
            AREA,
            f"operator {version} and CRD {crd} are of different versions",
            "upgrade the chart: helm upgrade speech charts/speechpipeline --namespace "
            f"{deployment['metadata'].get('namespace', '')}",
        )
