"""Weights of Whisper that are being fetched: their init containers report the progress over HTTP.

The operator only looks on. A pod starts in the same way if nobody asks.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import aiohttp

from speechoperator.api import labels
from speechoperator.api.names import FETCH, PORTS
from speechoperator.kube import objects
from speechoperator.observe.polling import Target
from speechoperator.plan.snapshot import Fetch, FetchStage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechoperator.kube.objects import Object
    from speechoperator.observe.polling import Polls

_INTERVAL_S = 5.0
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_MAX_BYTES = 16 * 1024
_STAGES: tuple[FetchStage, ...] = get_args(FetchStage)


def latest(polls: Polls, pods: tuple[Object, ...], port: int = PORTS["whisper"]) -> Mapping[str, Fetch]:
    """Return the latest progress of each pod whose init container fetches weights now, by the name of the pod.

    Args:
        polls: The polls of this reconcile.
        pods: The pods of the pipeline.
        port: The port at which the init containers report it.
    """
    found = {}
    for pod in pods:
        state = (objects.init_container(pod, FETCH) or {}).get("state") or {}
        url = objects.address(pod, port)
        if labels.component_of(pod) != "whisper" or not objects.alive(pod) or "running" not in state or not url:
            continue
        fetch = polls.latest(
            Target("weights", f"{objects.uid(pod)} {url}"),
            partial(progress, url),
            lambda _: _INTERVAL_S,
            failed=lambda polled: polled is None,
            version=str(state["running"].get("startedAt")),
            required=False,
        )
        if fetch:
            found[objects.name(pod)] = fetch
    return found


async def progress(url: str) -> Fetch | None:
    """Return the progress that a pod reports (`python -m speechwhisper fetch`), None if it reports none.

    Args:
        url: The base URL of the pod.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.get(f"{url}/progress", allow_redirects=False) as response,
        ):
            return _parse(json.loads(await response.content.read(_MAX_BYTES)))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None


def _parse(answer: Any) -> Fetch | None:
    stage = next((stage for stage in _STAGES if isinstance(answer, dict) and answer.get("stage") == stage), None)
    if stage is None:
        return None
    numbers = {name: answer.get(name) for name in ("completed_bytes", "total_bytes", "bytes_per_second")}
    completed, total, rate = (
        value if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0
        for value in numbers.values()
    )
    return Fetch(stage, int(completed), int(total), float(rate))
