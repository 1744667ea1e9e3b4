"""The wait for a Whisper pod, simulated: the bridges' choice of pods compared with one central queue.

The choice, the moves and the accounts are those of the bridge. Time is simulated and the seeds are fixed, so the
figures are the same on every machine.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from statistics import mean
from typing import TYPE_CHECKING

from bench.report import Figure, Goal, Section
from speechbridge.upstreams.account import Account
from speechbridge.upstreams.choose import PodState, Queued, choose, moves
from speechbridge.upstreams.load import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BRIDGES = (1, 2, 4)
GOAL = 1.1
PODS = 8
UTILISATION = 0.7
MEAN_SERVICE_S = 5.0
SPEED = 10.0  # seconds of audio per second
REPORT_INTERVAL_S = 1.0  # a pod sends one event a second at most
NETWORK_S = 0.001
ESTIMATE_ERROR = 1.25  # the duration that a bridge estimates is at most this much too long or too short


@dataclass(eq=False)
class Job:
    """One recording: when it arrives, how long a pod works on it, and the duration that its bridge estimates."""

    arrival: float
    service: float
    estimate: float
    bridge: int
    pod: int = -1
    started: float = -1.0


@dataclass
class Pod:
    """A pod with one slot and a queue."""

    queue: deque[Job] = field(default_factory=deque)
    working: Job | None = None
    reported_at: float = float("-inf")
    report_due: bool = False

    def load(self, now: float) -> Load:
        """Return what it reports."""
        left = self.working.started + self.working.service - now if self.working else 0.0
        return Load(
            waiting=len(self.queue),
            working=int(self.working is not None),
            slots=1,
            audio_seconds_waiting=sum(job.estimate for job in self.queue),
            audio_seconds_working=left * SPEED,
            audio_seconds_per_second=SPEED,
        )


@dataclass
class Bridge:
    """What one bridge knows of each pod, and its requests in the pods' queues, the oldest first."""

    accounts: list[Account] = field(default_factory=lambda: [Account() for _ in range(PODS)])
    queued: dict[Job, None] = field(default_factory=dict)
    last_used: list[float] = field(default_factory=lambda: [0.0] * PODS)

    def states(self, now: float) -> list[PodState]:
        """Return what the choice is based on."""
        return [
            PodState(
                queues=True,
                slots=1,
                busy=account.busy,
                outstanding=account.outstanding,
                seconds_ahead=account.seconds_ahead(now, SPEED),
                last_used=used,
            )
            for account, used in zip(self.accounts, self.last_used, strict=True)
        ]


class Simulation:
    """Runs jobs through pods that several bridges share."""

    def __init__(self, jobs: Sequence[Job], bridges: int) -> None:
        self.now = 0.0
        self._pods = [Pod() for _ in range(PODS)]
        self._bridges = [Bridge() for _ in range(bridges)]
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        for bridge in self._bridges:
            for account in bridge.accounts:
                account.adopt(Load(audio_seconds_per_second=SPEED), 0.0)
        for job in jobs:
            self._at(job.arrival, lambda job=job: self._arrive(job))  # type: ignore[misc]

    def run(self) -> None:
        """Run all events."""
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            act()

    def _at(self, time: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._number), act))

    def _arrive(self, job: Job) -> None:
        bridge = self._bridges[job.bridge]
        chosen = choose(bridge.states(self.now))
        if chosen is None:
            raise AssertionError("a pod with a queue accepts every request")
        bridge.queued[job] = None
        self._send(job, chosen)

    def _send(self, job: Job, pod: int) -> None:
        bridge = self._bridges[job.bridge]
        job.pod = pod
        bridge.last_used[pod] = self.now
        bridge.accounts[pod].begin(job, job.estimate, self.now)
        self._pods[pod].queue.append(job)
        self._start_next(pod)

    def _start_next(self, number: int) -> None:
        pod = self._pods[number]
        if pod.working is None and pod.queue:
            job = pod.working = pod.queue.popleft()
            job.started = self.now
            self._bridges[job.bridge].queued.pop(job)
            self._at(self.now + job.service, lambda: self._finish(number))
            self._deliver(number, self._bridges[job.bridge])  # with the head of the response
        self._changed(number)

    def _finish(self, number: int) -> None:
        pod = self._pods[number]
        job, pod.working = pod.working, None
        if job is None:
            raise AssertionError("a pod finishes what it works on")
        self._start_next(number)
        self._at(self.now + NETWORK_S, lambda: self._end(job))

    def _end(self, job: Job) -> None:
        bridge = self._bridges[job.bridge]
        bridge.accounts[job.pod].end(job)
        self._move(bridge)

    def _changed(self, number: int) -> None:
        pod = self._pods[number]
        if not pod.report_due:
            pod.report_due = True
            self._at(max(self.now, pod.reported_at + REPORT_INTERVAL_S), lambda: self._report(number))

    def _report(self, number: int) -> None:
        pod = self._pods[number]
        pod.report_due = False
        pod.reported_at = self.now
        for bridge in self._bridges:
            self._deliver(number, bridge)

    def _deliver(self, number: int, bridge: Bridge) -> None:
        load = self._pods[number].load(self.now)

        def adopt() -> None:
            bridge.accounts[number].adopt(load, self.now)
            self._move(bridge)

        self._at(self.now + NETWORK_S, adopt)

    def _move(self, bridge: Bridge) -> None:
        waiting = list(bridge.queued)
        for index, target in moves(bridge.states(self.now), [Queued(job.pod) for job in waiting]):
            job = waiting[index]
            bridge.accounts[job.pod].withdraw(job, job.estimate)
            self._pods[job.pod].queue.remove(job)
            self._changed(job.pod)
            self._send(job, target)


def trace(seed: int, jobs: int, bridges: int) -> list[Job]:
    """Return random jobs: Poisson arrivals, exponential durations."""
    chance = random.Random(seed)
    now, made = 0.0, []
    for _ in range(jobs):
        now += chance.expovariate(UTILISATION * PODS / MEAN_SERVICE_S)
        service = chance.expovariate(1 / MEAN_SERVICE_S)
        estimate = service * SPEED * ESTIMATE_ERROR ** chance.uniform(-1, 1)
        made.append(Job(now, service, estimate, chance.randrange(bridges)))
    return made


def central_waits(jobs: Sequence[Job]) -> list[float]:
    """Return the waits in one central queue, first come, first served."""
    free_at = [0.0] * PODS
    waits = []
    for job in jobs:
        started = max(job.arrival, heapq.heappop(free_at))
        heapq.heappush(free_at, started + job.service)
        waits.append(started - job.arrival)
    return waits


def waits(jobs: Sequence[Job], bridges: int) -> list[float]:
    """Return the waits with the bridges' choice of pods."""
    Simulation(jobs, bridges).run()
    return [job.started - job.arrival for job in jobs]


def p99(values: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return sorted(values)[len(values) * 99 // 100]


def ratio(bridges: int, *, seeds: int = 5, jobs: int = 10_000) -> float:
    """Return the p99 wait divided by that of one central queue: the mean over traces."""
    ratios = []
    for seed in range(seeds):
        made = trace(seed, jobs, bridges)
        ratios.append(p99(waits(made, bridges)) / p99(central_waits(made)))
    return mean(ratios)


def measure(say: Callable[[str], None]) -> Section:
    """Compare the waits for one, two and four bridges."""
    ratios = {}
    for bridges in BRIDGES:
        say(f"pods: simulating {bridges} bridges")
        ratios[bridges] = ratio(bridges)
    return Section(
        f"The wait for one of {PODS} Whisper pods at {UTILISATION:.0%} load (simulated)",
        [Figure("p99 wait / one central queue", "", {f"{bridges} bridges": ratios[bridges] for bridges in BRIDGES})],
        [Goal(f"p99 wait / one central queue, {bridges} bridges", GOAL, "", ratios[bridges]) for bridges in (1, 2)],
    )
