"""Whether a component's replicas match the spec, and what its rollout is waiting for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.text import counted

if TYPE_CHECKING:
    from speechoperator.plan.conditions.deployments import Counts
    from speechoperator.plan.conditions.findings import Finding
    from speechoperator.plan.conditions.inputs import Inputs


def verdict(inputs: Inputs, counts: Counts, finding: Finding | None) -> Verdict | None:
    """Return what the rollout of a component is waiting for; None if it is complete.

    Args:
        inputs: The inputs of the component.
        counts: The counts of its Deployment.
        finding: The worst finding about the component.
    """
    if _complete(inputs, counts) and not inputs.refused:
        return None
    if finding:
        return finding.verdict
    if inputs.required == 0:
        message = f"waiting for {counted(counts.replicas, 'replica')} to finish their requests"
    elif inputs.outdated or not counts.current or counts.updated < inputs.required:
        message = "rolling out the new pod template"
    else:
        message = f"waiting for {counted(counts.replicas - counts.updated, 'old replica')} to terminate"
    return Verdict(status=True, reason=Reason.ROLLOUT_IN_PROGRESS, message=message).about(inputs.component)


def _complete(inputs: Inputs, counts: Counts) -> bool:
    """Return whether all replicas have the current pod template, and there are as many as required."""
    observed = counts.exists and counts.current and not inputs.outdated
    if inputs.required == 0:
        return observed and counts.replicas == 0
    return observed and counts.updated >= inputs.required and counts.replicas <= counts.updated
