"""The condition Verified: whether a spoken sentence passes through the whole chain, and when to try it.

It is tried before pods with another template, or with other models, become Ready, for a limited time, and then at a
slow rate if the model stays loaded anyway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from speechoperator.api import durations
from speechoperator.api.names import COMPONENTS, TEMPLATE_HASH, object_name
from speechoperator.kube import objects
from speechoperator.kube.objects import Ref
from speechoperator.plan.conditions.compose import by_type
from speechoperator.plan.conditions.reasons import Reason
from speechoperator.plan.conditions.verdicts import Verdict
from speechoperator.plan.models import definitions, model_list

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from speechoperator.api import Ollama, SpeechPipeline
    from speechoperator.kube.objects import Object
    from speechoperator.plan.conditions.availability import ComponentState
    from speechoperator.plan.snapshot import Canary, Snapshot

_MAX_WAIT_S = 120.0
"""Seconds for which Ready waits for the canary of new pods: then they serve, verified or not."""
_RETRY_S = 60.0
"""Seconds until a canary that failed is sent again; twice that after the second failure, and so on."""
_MAX_DOUBLINGS = 12
_SLOT_S = 5.0
"""Seconds after the start of a pipeline's turn during which a restarted operator takes it."""
_STEPS_S = (0.5, 1, 2, 5, 10, 20, 30, 60)
"""Measured seconds are reported as less than one of these, so that the status changes only with the magnitude."""
_BY_TEXT = {reason.text: reason for reason in Reason}


@dataclass(frozen=True, slots=True)
class Verification:
    """What is known from the canary, and what to do.

    Attributes:
        verdict: The condition Verified; None if it is absent.
        unready: Why the pipeline is not Ready yet; None if the canary does not prevent that.
        version: The version of the pods and models to send a canary to now; empty for none.
        requeue_after: Seconds until this changes by time alone; None if it does not.
    """

    verdict: Verdict | None = None
    unready: Verdict | None = None
    version: str = ""
    requeue_after: float | None = None


def verification(pipeline: SpeechPipeline, snapshot: Snapshot, now: datetime, *, serving: bool) -> Verification:
    """Decide about the canary of a pipeline.

    Args:
        pipeline: The pipeline.
        snapshot: The snapshot.
        now: The time.
        serving: Whether all components serve with their current pods.
    """
    spec = pipeline.spec
    if not spec.verification.enabled or spec.suspend:
        return Verification()
    if reason := _skipped(pipeline):
        return Verification(Verdict(status=None, reason=reason, message=reason.meaning.rstrip(".")))
    version = _version(pipeline, snapshot.objects)
    canary = snapshot.canary if snapshot.canary and snapshot.canary.version == version else None
    result = canary if canary and canary.ended else None
    found = by_type(snapshot.status)
    before, was_ready = found.get("Verified"), found.get("Ready", {}).get("status") == "True"
    verdict = _verdict(result, before if was_ready else None, serving=serving)
    known = was_ready and before is not None and (canary is not None or snapshot.canary is None)
    passed = result is None and before is not None and before.get("status") == "True"
    wait = _wait(pipeline, result, now, known=known, passed=passed)
    due = serving and not (canary and canary.running) and wait is not None and wait <= 0
    left = 0.0
    if serving and not was_ready and verdict and not verdict.status:
        since = before.get("lastTransitionTime") if before and before.get("status") != "True" else None
        left = _MAX_WAIT_S - ((now - objects.parse_time(since)).total_seconds() if since else 0.0)
    waits = [seconds for seconds in (wait, left) if seconds is not None and seconds > 0]
    return Verification(
        verdict,
        unready=replace(verdict, status=False) if verdict and left > 0 else None,
        version=version if due else "",
        requeue_after=min(waits, default=None) if serving else None,
    )


def is_serving(components: Sequence[ComponentState], missing: Verdict | None) -> bool:
    """Return whether all components serve with their current pods.

    Args:
        components: Their states.
        missing: Why missing models keep the pipeline from being ready; None if they do not.
    """
    return missing is None and all(state.available.status and not state.rollout for state in components)


def _skipped(pipeline: SpeechPipeline) -> Reason | None:
    """Return why no canary is sent; None if one is."""
    spec = pipeline.spec
    if not (spec.whisper.managed and spec.ollama.managed):
        return Reason.EXTERNAL_SERVICE
    return Reason.KEYS_REQUIRED if spec.bridge.api_keys else None


def _version(pipeline: SpeechPipeline, live: Mapping[Ref, Object]) -> str:
    """Return what identifies the pods of all components, and the models that they offer.

    It is not in the status, so it may change with a release of the operator: a restart keeps the verdict.
    """
    deployments = (live.get(Ref("Deployment", object_name(pipeline.name, component))) for component in COMPONENTS)
    hashes = ((one or {}).get("metadata", {}).get("annotations", {}).get(TEMPLATE_HASH, "") for one in deployments)
    offered = model_list.revision(live.get(model_list.ref(pipeline.name), {}))
    return "-".join((*hashes, offered, definitions.revision(pipeline.spec.ollama.models)))


def _verdict(result: Canary | None, before: Object | None, *, serving: bool) -> Verdict | None:
    if result and result.error:
        status = None if result.timed_out else False  # it may be a model that loads, or an overload that passes
        return Verdict(status=status, reason=Reason.VERIFICATION_FAILED, message=f"a spoken sentence: {result.error}")
    if result:
        return Verdict(status=True, reason=Reason.VERIFIED, message=_measured(result))
    if before and (reason := _BY_TEXT.get(before.get("reason", ""))):  # the operator was restarted
        status = {"True": True, "False": False}.get(before.get("status", ""))
        return Verdict(status=status, reason=reason, message=before.get("message", ""))
    if serving:
        return Verdict(status=None, reason=Reason.VERIFYING, message="a spoken sentence is on its way")
    return None


def _wait(pipeline: SpeechPipeline, result: Canary | None, now: datetime, *, known: bool, passed: bool) -> float | None:
    """Return the seconds until the next canary; None for none.

    Pods that were verified are not called again where that would defeat what the spec asks for: a pipeline that scales
    to zero would never become idle, and a model with a short `keepAlive` would be loaded again each time.

    Args:
        pipeline: The pipeline.
        result: The last result for these pods; None if there is none, or the operator was restarted.
        now: The time.
        known: Whether the status has the verdict about these pods.
        passed: Whether that was good, if there is no result.
    """
    interval = float(durations.seconds(pipeline.spec.verification.interval))
    if result is None and not known:
        return 0.0
    failed = result if result and result.error else None
    to_zero = 0 in {pipeline.spec.whisper.scaling.min_replicas, pipeline.spec.ollama.scaling.min_replicas}
    if to_zero and (known or not failed):
        return None
    if failed and failed.ended:
        delay = _RETRY_S * 2.0 ** min(max(failed.failures, 1) - 1, _MAX_DOUBLINGS)
        return min(delay, interval) - (now - failed.ended).total_seconds()
    if (result or passed) and not _stays_loaded(pipeline.spec.ollama, interval):
        return None
    # Each pipeline has a phase of its own, so that a restarted operator does not call all of them at once.
    phase = int(sha256(pipeline.metadata.uid.encode()).hexdigest()[:8], 16) % interval
    since = (now.timestamp() + phase) % interval
    if result and result.ended:
        return -1.0 if now - result.ended > timedelta(seconds=since) else interval - since
    return -1.0 if since < _SLOT_S else interval - since


def _stays_loaded(ollama: Ollama, interval: float) -> bool:
    """Return whether the model that canaries use stays loaded from one to the next anyway."""
    keep_alive = ollama.models[0].keep_alive or ollama.keep_alive
    return keep_alive is not None and (keep_alive == "-1" or durations.seconds(keep_alive) > interval)


def _measured(result: Canary) -> str:
    parts = f"speech recognition {_below(result.whisper_s)}, language model {_below(result.llm_s)}"
    return f"a spoken sentence was answered in {_below(result.total_s)}: {parts}"


def _below(seconds: float) -> str:
    step = next((step for step in _STEPS_S if seconds < step), None)
    return f"less than {step:g} s" if step else f"more than {_STEPS_S[-1]:g} s"
