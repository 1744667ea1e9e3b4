"""Which pod gets a request, which request moves to another, and how long a pod that failed cools down."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechbridge.upstreams.choose import PodState, Queued, choose, cooldown_after, moves
from speechbridge.upstreams.failures import FailureKind

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def short_cooldown() -> None:
    """The cooldowns of production here."""


def state(outstanding: int, others: int, **fields: object) -> PodState:
    return PodState(outstanding=outstanding, busy=outstanding + others, **fields)  # type: ignore[arg-type]


STATES = st.builds(
    state,
    outstanding=st.integers(0, 5),
    others=st.integers(0, 5),
    available=st.booleans(),
    avoided=st.booleans(),
    last_in_line=st.booleans(),
    queues=st.booleans(),
    slots=st.one_of(st.none(), st.integers(1, 4)),
    seconds_ahead=st.floats(0, 100),
    last_used=st.floats(0, 100),
)
PODS = st.lists(STATES, max_size=8)


@given(PODS, st.one_of(st.none(), st.integers(0, 7)))
def test_only_a_pod_that_accepts_the_request_is_chosen(pods: list[PodState], prefer: int | None) -> None:
    chosen = choose(pods, prefer)

    assert chosen is None or pods[chosen].accepts


@given(PODS)
def test_a_request_waits_only_if_no_pod_accepts_it_or_one_that_has_not_failed_it_will(pods: list[PodState]) -> None:
    chosen = choose(pods)

    if chosen is None:
        accepting = [pod for pod in pods if pod.accepts]
        assert all(pod.avoided for pod in accepting)
        assert not accepting or any(not pod.avoided for pod in pods)


@given(PODS)
def test_no_pod_that_failed_the_request_is_chosen_before_another(pods: list[PodState]) -> None:
    chosen = choose(pods)

    if chosen is not None and pods[chosen].avoided:
        assert not any(pod.accepts and not pod.avoided for pod in pods)


@given(PODS)
def test_a_failing_pod_is_last_then_free_slots_are_first_then_the_least_time_ahead(pods: list[PodState]) -> None:
    chosen = choose(pods)

    for pod in pods:
        if chosen is None or not pod.accepts or pod.avoided != pods[chosen].avoided:
            continue
        assert (pod.last_in_line, pod.room <= 0, pod.seconds_ahead) >= (
            pods[chosen].last_in_line,
            pods[chosen].room <= 0,
            pods[chosen].seconds_ahead,
        )


@given(PODS, st.permutations(range(8)))
def test_the_order_of_the_pods_matters_only_between_equals(pods: list[PodState], order: list[int]) -> None:
    shuffled = [pods[index] for index in order if index < len(pods)]
    one, other = choose(pods), choose(shuffled)

    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert rank(pods[one]) == rank(shuffled[other])


def rank(pod: PodState) -> tuple[object, ...]:
    return (pod.avoided, pod.last_in_line, pod.room <= 0, pod.seconds_ahead, pod.outstanding, pod.last_used)


def test_a_pod_that_reports_its_load_gets_more_than_it_has_slots() -> None:
    full = PodState(slots=1, busy=3, outstanding=3)

    assert choose([full]) is None
    assert choose([full._replace(queues=True)]) == 0


def test_a_pod_with_the_prompt_is_not_preferred_while_it_lacks_the_model() -> None:
    assert choose([PodState(last_in_line=True), PodState()], prefer=0) == 1


QUEUES = st.lists(
    st.builds(lambda pod, avoid: Queued(pod, frozenset(avoid)), st.integers(0, 7), st.sets(st.integers(0, 7)))
)


@given(PODS, QUEUES)
def test_requests_move_only_from_full_pods_to_free_slots(pods: list[PodState], queued: list[Queued]) -> None:
    queued = [request for request in queued if request.pod < len(pods)]

    found = moves(pods, queued)

    for request, target in found:
        assert pods[target].available
        assert pods[target].queues
        assert target not in queued[request].avoid
    for index, pod in enumerate(pods):
        arriving = sum(target == index for _, target in found)
        leaving = sum(queued[request].pod == index for request, _ in found)
        assert not (arriving and leaving)
        assert arriving <= max(0, pod.room)
        assert leaving <= max(0, -pod.room)
    assert all(one[0] < other[0] for one, other in pairwise(found))  # the oldest first, each once


@given(PODS, QUEUES)
def test_no_slot_stays_free_while_a_request_could_move_there(pods: list[PodState], queued: list[Queued]) -> None:
    queued = [request._replace(avoid=frozenset()) for request in queued if request.pod < len(pods)]

    found = moves(pods, queued)

    moved = {request for request, _ in found}
    for index, pod in enumerate(pods):
        usable = pod.available and pod.queues and not pod.last_in_line and pod.slots is not None
        if usable and pod.room - sum(target == index for _, target in found) > 0:
            left = [request.pod for number, request in enumerate(queued) if number not in moved]
            leaving = [queued[number].pod for number in moved]
            assert all(-pods[origin].room - leaving.count(origin) <= 0 for origin in left)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_a_busy_pod_is_asked_again_within_a_quarter_of_a_second(jitter: float) -> None:
    assert 0.0 < cooldown_after(FailureKind.BUSY, jitter) <= 0.25


def test_two_bridges_do_not_ask_a_busy_pod_in_step() -> None:
    assert cooldown_after(FailureKind.BUSY, 0.1) < cooldown_after(FailureKind.BUSY, 0.9)


@pytest.mark.parametrize("kind", [FailureKind.CONNECT, FailureKind.DIED, FailureKind.BAD_ANSWER])
def test_a_pod_that_broke_gets_a_second_to_recover(kind: FailureKind) -> None:
    assert cooldown_after(kind, 0.5) == 1.0


@pytest.mark.parametrize("kind", [None, FailureKind.BAD_AUDIO, FailureKind.ERROR, FailureKind.MODEL_MISSING])
def test_what_says_nothing_about_the_pods_load_lets_it_go_on(kind: FailureKind | None) -> None:
    assert cooldown_after(kind, 0.5) == 0.0
