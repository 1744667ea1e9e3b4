"""A component in simulated time: a queue, and pods that start, work, and finish their last requests."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from speechoperator.plan.scaling.load import Load
from speechoperator.plan.scaling.state import ComponentState

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Job:
    """A request.

    Attributes:
        arrival: When it arrives, in seconds.
        work: Its work: seconds of audio.
    """

    arrival: float
    work: float


@dataclass(frozen=True, slots=True)
class PodModel:
    """What every pod of a component can do.

    Attributes:
        startup: Seconds from its creation until it is ready.
        speed: Work per second, all slots together.
        slots: Requests that it works on together; each proceeds at `speed / slots`.
    """

    startup: float
    speed: float
    slots: int = 1


@dataclass(eq=False, slots=True)
class Pod:
    """One pod.

    Attributes:
        created: When it was created.
        ready_at: When it is ready.
        finishes: When each of its requests is finished.
        busy_seconds: Time with a request in work, up to `busy_since` if it is busy.
        busy_since: Since when it is busy; None if it is idle.
        terminating: Whether it accepts no more requests.
    """

    created: float
    ready_at: float
    finishes: list[float] = field(default_factory=list)
    busy_seconds: float = 0.0
    busy_since: float | None = None
    terminating: bool = False

    def busy_until(self, now: float) -> float:
        """Return the seconds it was busy until now."""
        return self.busy_seconds + (now - self.busy_since if self.busy_since is not None else 0.0)


class Stage:
    """A component whose requests wait in one queue.

    One queue is what the bridges' choice of pods comes close to: the longest waits are within 10 % (`--only pods` of
    the benchmarks). A terminating pod finishes its requests. Idle pods are terminated first; before them, as a
    ReplicaSet does, those that are not ready.
    """

    def __init__(self, model: PodModel, replicas: int, now: float = 0.0) -> None:
        """Start with ready pods."""
        self.model = model
        self.now = now
        self.desired = replicas
        self.pods = [Pod(now, now) for _ in range(replicas)]
        self.waits: list[float] = []
        self.finished: list[tuple[float, Job]] = []
        self.backlog_seconds = 0.0  # seconds of work that wait, integrated over time
        self._queue: deque[Job] = deque()
        self._queued_work = 0.0
        self._events: list[tuple[float, int, Pod | None, Job | None]] = []
        self._order = count()
        self._gone_seconds = 0.0

    def submit(self, jobs: Iterable[Job]) -> None:
        """Let requests arrive, now or later."""
        for job in jobs:
            heapq.heappush(self._events, (job.arrival, next(self._order), None, job))

    def advance(self, to: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= to:
            time, _, pod, job = heapq.heappop(self._events)
            self._pass(time)
            if job and pod is None:
                self._queue.append(job)
                self._queued_work += job.work
            elif job and pod:
                self._finish(pod, job)
            self._dispatch()
        self._pass(to)

    def set_replicas(self, replicas: int) -> None:
        """Create or terminate pods."""
        present = [pod for pod in self.pods if not pod.terminating]
        for _ in range(replicas - len(present)):
            pod = Pod(self.now, self.now + self.model.startup)
            self.pods.append(pod)
            heapq.heappush(self._events, (pod.ready_at, next(self._order), pod, None))
        present.sort(key=lambda pod: (pod.ready_at <= self.now, sum(pod.finishes) - self.now * len(pod.finishes)))
        for pod in present[: max(0, len(present) - replicas)]:
            pod.terminating = True
            if not pod.finishes:
                self._remove(pod)
        self.desired = replicas
        self._dispatch()

    def load(self) -> Load:
        """Return what the pods and bridges would report."""
        working = [finish for pod in self.pods for finish in pod.finishes]
        each = self.model.speed / self.model.slots
        reachable = any(pod.ready_at <= self.now and not pod.terminating for pod in self.pods)
        queued = float(len(self._queue))
        return Load(
            held=0.0 if reachable else queued,
            waiting=queued if reachable else 0.0,
            working=float(len(working)),
            busy=float(sum(1 for pod in self.pods if pod.finishes)),
            audio_seconds_waiting=max(0.0, self._queued_work),
            audio_seconds_working=sum(max(0.0, finish - self.now) for finish in working) * each,
            speed=self.model.speed,
            oldest_wait_seconds=self.now - self._queue[0].arrival if self._queue else 0.0,
            seen_at=self.now,
        )

    def state(self) -> ComponentState:
        """Return what the operator would see of the pods."""
        present = [pod for pod in self.pods if not pod.terminating]
        ready = sum(1 for pod in present if pod.ready_at <= self.now)
        return ComponentState(
            desired=self.desired,
            ready=ready,
            starting=len(present) - ready,
            terminating=len(self.pods) - len(present),
            startup_seconds=self.model.startup,
        )

    @property
    def queued_work(self) -> float:
        """Work of the requests that wait."""
        return max(0.0, self._queued_work)

    @property
    def work(self) -> float:
        """All work that is not done yet."""
        load = self.load()
        return (load.audio_seconds_waiting or 0.0) + (load.audio_seconds_working or 0.0)

    @property
    def pod_seconds(self) -> float:
        """How long all pods have existed together, starting and terminating ones included."""
        return self._gone_seconds + sum(self.now - pod.created for pod in self.pods)

    def _pass(self, to: float) -> None:
        self.backlog_seconds += self._queued_work * (to - self.now)
        self.now = to

    def _dispatch(self) -> None:
        while self._queue and (pod := self._free()):
            job = self._queue.popleft()
            self._queued_work = self._queued_work - job.work if self._queue else 0.0
            self.waits.append(self.now - job.arrival)
            if not pod.finishes:
                pod.busy_since = self.now
            finish = self.now + job.work * self.model.slots / self.model.speed
            pod.finishes.append(finish)
            heapq.heappush(self._events, (finish, next(self._order), pod, job))

    def _free(self) -> Pod | None:
        free = (
            pod
            for pod in self.pods
            if len(pod.finishes) < self.model.slots and not pod.terminating and pod.ready_at <= self.now
        )
        return min(free, key=lambda pod: len(pod.finishes), default=None)

    def _finish(self, pod: Pod, job: Job) -> None:
        pod.finishes.remove(self.now)
        self.finished.append((self.now, job))
        if pod.finishes:
            return
        pod.busy_seconds = pod.busy_until(self.now)
        pod.busy_since = None
        if pod.terminating:
            self._remove(pod)

    def _remove(self, pod: Pod) -> None:
        self._gone_seconds += self.now - pod.created
        self.pods.remove(pod)
