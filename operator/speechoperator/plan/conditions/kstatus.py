"""The conditions Reconciling and Stalled, by which kstatus judges an object: Flux, Helm and others wait by it.

Each is present only while it is True, and never both. Without them, an object that can never become ready looks like
one that is still in progress.
https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.plan.conditions.verdicts import Verdict


def conditions(ready: Verdict, progressing: Verdict) -> Mapping[str, Verdict]:
    """Return the condition that is present; {} if the pipeline is ready and up to date.

    Args:
        ready: The condition Ready.
        progressing: The condition Progressing.
    """
    if not ready.status:
        if finding := next((verdict for verdict in (ready, progressing) if verdict.is_finding), None):
            return {"Stalled": replace(finding, status=True)}
        return {"Reconciling": replace(ready, status=True)}
    return {"Reconciling": progressing} if progressing.status else {}
