"""How long a start takes, from the first request that waits until a pod can be reached."""

import pytest

from speechbridge.upstreams.starts import Starts

pytestmark = pytest.mark.unit


def test_nothing_is_known_of_the_first_start() -> None:
    assert Starts().wanted(10.0).remaining(20.0) is None


def test_a_start_takes_as_long_as_the_last_one() -> None:
    starts = Starts().wanted(10.0).wanted(25.0).reached(40.0).reached(90.0)
    assert starts == Starts(None, 30.0)

    again = starts.wanted(100.0)

    assert again.remaining(110.0) == 20.0
    assert again.remaining(130.0) is None, "it takes longer: no guess"


def test_while_nothing_waits_nothing_starts() -> None:
    assert Starts(None, 30.0).remaining(50.0) is None
