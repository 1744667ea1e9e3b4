"""What others say about a pipeline, asked in the background: a reconcile never waits for a pod or for a service.

A reconcile looks at the last answer. Is that too old, it is asked for anew meanwhile; when the answer is another one,
the pipeline is queued again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from speechoperator.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from speechoperator.kube.objects import Key

T = TypeVar("T")

_SLACK = 0.05  # a timer that fires this much early counts as on time


class Subject(NamedTuple):
    """What is asked: of which kind the question is, and about whom."""

    topic: str
    about: str


@dataclass(slots=True)
class _Asked:
    ask: Callable[[], Awaitable[Any]]
    answered: bool = False
    answer: Any = None
    at: float = 0.0
    task: asyncio.Task[None] | None = None


class Answers:
    """Use within one event loop.

    Args:
        changed: Told which pipeline has a new answer.
    """

    def __init__(self, changed: Callable[[Key], None]) -> None:
        self._changed = changed
        self._asked: defaultdict[Key, dict[Subject, _Asked]] = defaultdict(dict)

    def look(
        self, key: Key, subject: Subject, ask: Callable[[], Awaitable[T]], max_age: Callable[[T], float]
    ) -> tuple[T | None, float | None]:
        """Return the last answer, None when there is none yet, and in how many seconds to look again.

        Args:
            key: For which pipeline.
            subject: What is asked; nothing is asked twice at once.
            ask: Asks. It turns what may go wrong into an answer.
            max_age: Seconds for which an answer holds.
        """
        asked = self._asked[key].setdefault(subject, _Asked(ask))
        asked.ask = ask
        if not asked.answered:
            self._start(key, asked)
            return None, None
        answer: T = asked.answer
        left = asked.at + max_age(answer) - _now()
        if left > _SLACK:
            return answer, left
        self._start(key, asked)
        return answer, max_age(answer)

    async def ask_again(self, key: Key, topic: str) -> None:
        """Ask all that is known of a topic anew, and wait for the answers."""
        concerned = [asked for subject, asked in self._asked.get(key, {}).items() if subject.topic == topic]
        await asyncio.gather(*(self._ask(key, asked) for asked in concerned))

    def keep(self, key: Key, subjects: Collection[Subject]) -> None:
        """Forget all answers for a pipeline but these."""
        for subject in [subject for subject in self._asked.get(key, {}) if subject not in subjects]:
            self._end(self._asked[key].pop(subject))
        if not self._asked.get(key):
            self._asked.pop(key, None)

    def close(self) -> None:
        """Forget all answers and ask no more."""
        for key in list(self._asked):
            self.keep(key, ())

    def _start(self, key: Key, asked: _Asked) -> None:
        if asked.task is None or asked.task.done():
            asked.task = asyncio.create_task(self._ask(key, asked))

    async def _ask(self, key: Key, asked: _Asked) -> None:
        try:
            answer = await asked.ask()
        except Exception:  # noqa: BLE001 - a fault of ours: the answer before stands, and is asked for again
            logs.logger.exception("a question broke")
            answer = asked.answer
        news = not asked.answered or answer != asked.answer
        asked.answered, asked.answer, asked.at = True, answer, _now()
        if news:
            self._changed(key)

    def _end(self, asked: _Asked) -> None:
        if asked.task:
            asked.task.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
