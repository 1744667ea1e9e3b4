"""Points at which a test can pause a fake, so that no test needs a sleep to get between two events."""

import asyncio
from collections import deque
from enum import StrEnum


class Point(StrEnum):
    UPLOAD_STARTED = "upload started"
    """The first bytes of a file part are here; nothing more is read from the socket while held."""
    AFTER_UPLOAD = "after upload"
    """The whole request is here; no work has begun."""
    BEFORE_ANSWER = "before answer"
    """The work has begun (a slot is taken); no byte of the answer is out."""
    BEFORE_FIRST_TOKEN = "before first token"  # noqa: S105 — a language model's token
    """The answer is ready to start; a streamed segment counts as a token."""
    BETWEEN_TOKENS = "between tokens"
    BEFORE_LAST_LINE = "before last line"
    """Every token is out, the line that closes the stream is not."""
    BEFORE_CHUNK = "before chunk"
    """A pull wants the next piece of a layer."""


class Gate:
    """Open until held. While held, everyone who comes waits; `step` lets one through, `release` all."""

    def __init__(self) -> None:
        self._open = True
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._arrival = asyncio.Event()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def hold(self) -> None:
        self._open = False

    def step(self) -> None:
        """Let the one that waits longest pass. LookupError when nobody waits."""
        if not self._waiting:
            raise LookupError("nobody waits at this gate: await reached() first")
        _let_pass(self._waiting.popleft())

    def release(self) -> None:
        self._open = True
        while self._waiting:
            _let_pass(self._waiting.popleft())

    async def reached(self, count: int = 1, *, deadline: float = 5.0) -> None:
        """Wait until `count` requests stand here; TimeoutError after `deadline` seconds."""
        async with asyncio.timeout(deadline):
            while len(self._waiting) < count:
                self._arrival.clear()
                await self._arrival.wait()

    async def passage(self) -> None:
        """What a fake awaits at its point."""
        if self._open:
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._arrival.set()
        try:
            await turn
        finally:
            if turn in self._waiting:  # the client left while it stood here
                self._waiting.remove(turn)


def _let_pass(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)
