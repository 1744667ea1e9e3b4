"""What the dashboards show: traffic for their queries, and which of these may have no series after it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from charts.panels import dashboards, panels
from e2e.asking import client, form, stream

if TYPE_CHECKING:
    from e2e.service import Service

NOTHING_FAILED = "nothing has failed"
MAY_BE_EMPTY = {
    ("service", "Failed calls to pods by kind", "{{upstream}}: {{kind}}"): NOTHING_FAILED,
    ("service", "Held requests, p95", "{{stage}}"): "every pod could be reached",
    ("service", "Doubtful transcripts", "{{reason}}"): "the recording is understood",
    ("service", "Missing audio", "{{reason}}"): "the recording is complete",
    ("capacity", "GPUs", "{{pipeline}}: budget"): "the pipeline of the example has no budget",
    ("capacity", "Downloads", "{{pipeline}}: {{model}}"): "all models have been downloaded",
    ("capacity", "Model on GPUs", "{{pipeline}}: {{model}}"): "the operator has not seen the model in memory yet",
    ("capacity", "Scaling decisions", ""): "marks only decisions, and there was none in the last minute",
    ("operator", "Errors by code", "{{code}}"): NOTHING_FAILED,
    (
        "operator",
        "Writes by cause",
        "{{why}}",
    ): "a restarted operator that finds all in order writes nothing",
    ("operator", "Downloads and loads by outcome", "download {{outcome}}"): "this operator has downloaded nothing",
    ("operator", "Downloads and loads by outcome", "load {{outcome}}"): "this operator has loaded no model",
}
"""Why a query may have no series: its dashboard, panel and legend."""


def may_be_empty(name: str) -> list[str]:
    """The panels of a dashboard none of whose queries must have series."""
    free = {(title, legend) for dashboard, title, legend in MAY_BE_EMPTY if dashboard == name}
    return [
        panel["title"]
        for panel in panels(dashboards()[name])
        if all((panel["title"], target["legendFormat"]) in free for target in panel["targets"])
    ]


def is_drawn(name: str) -> str:
    """A JavaScript expression: whether the page shows the dashboard, with data in every panel that must have some."""
    missing = (
        "[...document.querySelectorAll('.panel')].filter((panel) => panel.dataset.state !== 'drawn')"
        ".map((panel) => panel.querySelector('h3').textContent)"
        f".filter((one) => !{json.dumps(may_be_empty(name))}.includes(one))"
    )
    return f"document.body.dataset.drawn === {json.dumps(dashboards()[name]['uid'])} && ({missing}).length === 0"


async def talk(service: Service) -> None:
    """Have recordings transcribed and answered, one of them as a stream, and one transcribed alone.

    The pipeline is touched, too: durations of reconciles are known only while there are any.
    """
    touched = {"metadata": {"annotations": {"e2e.speechpipeline.dev/touched": uuid.uuid4().hex}}}
    await service.api.patch("SpeechPipeline", service.namespace, service.name, touched)
    url = service.cluster.ingress
    async with client(service.host) as session:
        await stream(session, url)
        asked = [form(prompt="Describe him in a sentence.", max_tokens="24") for _ in range(2)]
        for data, path in [*((one, "process") for one in asked), (form(model="whisper-1"), "v1/audio/transcriptions")]:
            async with session.post(f"{url}/{path}", data=data) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
