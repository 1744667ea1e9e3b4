"""The JSON of the dashboards, by the file in the chart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import capacity, control, service

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard


def dashboards() -> dict[str, Dashboard]:
    """Return each dashboard by the name of its file, without the suffix."""
    built = {"service": service.dashboard(), "capacity": capacity.dashboard(), "operator": control.dashboard()}
    return {name: builder.build() for name, builder in built.items()}


def text(dashboard: Dashboard) -> str:
    """Return a dashboard as the text of its file."""
    body = json.loads(json.dumps(dashboard, cls=JSONEncoder))
    for variable in body["templating"]["list"]:
        # The SDK writes them for every kind of variable; in Grafana's schema only those of intervals have them.
        for name in ("auto", "auto_min", "auto_count"):
            variable.pop(name, None)
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
