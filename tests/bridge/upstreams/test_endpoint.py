"""Whether a pod takes a request: told directly for a pod alone, and by the choice where there are others."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.upstreams.choose import choose
from speechbridge.upstreams.discovery import origin_of
from speechbridge.upstreams.endpoint import Endpoint
from speechbridge.upstreams.failures import FailureKind
from speechbridge.upstreams.load import Load

pytestmark = pytest.mark.unit

NOW = 100.0


@given(
    slots=st.sampled_from([None, 1, 2]),
    requests=st.integers(0, 3),
    down=st.booleans(),
    ejected_until=st.sampled_from([0.0, NOW, NOW + 1]),
    closed=st.booleans(),
    report=st.sampled_from([None, Load(), Load(waiting=2, working=1)]),
    avoided=st.booleans(),
    lacks_model=st.booleans(),
)
def test_a_pod_alone_takes_the_requests_for_which_it_would_be_chosen(
    slots: int | None,
    requests: int,
    *,
    down: bool,
    ejected_until: float,
    closed: bool,
    report: Load | None,
    avoided: bool,
    lacks_model: bool,
) -> None:
    async def main() -> None:
        pod = Endpoint(origin_of("http://127.0.0.1:1"), "127.0.0.1", slots=slots, connect_timeout=1, keepalive=4)
        pod.account.adopt(report, NOW)
        for request in range(requests):
            pod.account.begin(request, 1.0, NOW)
        if lacks_model:
            pod.health.record(FailureKind.MODEL_MISSING, "llama3", NOW, jitter=0.0)
        pod.health.down = down
        pod.health.ejected_until = ejected_until
        if closed:
            pod.close()

        state = pod.state(NOW, avoided=avoided, model="llama3")

        assert state.last_in_line == lacks_model
        assert pod.accepts(NOW) == (choose([state]) is not None)

    asyncio.run(main())
