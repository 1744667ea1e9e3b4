"""Apply: what is done about writes that something else reverts."""

from typing import Any

import pytest

from fakes.reconciler_bench import Bench

pytestmark = pytest.mark.unit


async def test_what_a_webhook_changes_back_is_not_fought_over(bench: Bench) -> None:
    def meddle(body: dict[str, Any]) -> None:
        if body["kind"] == "Deployment":
            body["spec"]["replicas"] = 9

    bench.api.webhook = meddle
    writes = 0
    for _ in range(100):
        result = await bench.once()
        writes += sum(call.name == "p-bridge" for call in bench.api.writes if call.resource == "deployments.apps")
        assert result.requeue_after is not None
        bench.later(1)
    assert writes <= 8, "the pauses double"
    assert "reverts it" in str(bench.status["conditions"])
    bench.api.webhook = lambda _: None
    bench.later(600)
    await bench.settled()
    assert "reverts it" not in str(bench.status["conditions"])
