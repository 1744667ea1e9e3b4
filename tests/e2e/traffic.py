"""Users who go on asking while something is changed: none of their requests may be lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from e2e.asking import WORDS_WRONG, client, form, word_error_rate

PAUSE_S = 0.2
AT_ONCE = 2


@dataclass
class Traffic:
    """What came of it: answers that were right, and in words what was wrong with the others."""

    right: int = 0
    lost: list[str] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def more(self, count: int = AT_ONCE + 1, within_s: float = 120) -> None:
        """Wait until so many further requests were answered: requests that began before are over by then."""
        goal = self.right + len(self.lost) + count
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: self.right + len(self.lost) >= goal)

    async def note(self, wrong: str) -> None:
        async with self._changed:
            if wrong:
                self.lost.append(wrong)
            else:
                self.right += 1
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def traffic(ingress: str, host: str, key: str = "") -> AsyncIterator[Traffic]:
    """One user who has speech transcribed and one who chats, one request after another, until the block is left."""
    seen, ending = Traffic(), asyncio.Event()

    async def user(ask: Ask) -> None:
        async with client(host, key) as session:
            while not ending.is_set():
                await seen.note(await _tried(ask, session, ingress))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ending.wait(), PAUSE_S)

    async with asyncio.TaskGroup() as users:
        for ask in (transcribe, chat):
            users.create_task(user(ask))
        try:
            yield seen
        finally:
            ending.set()  # requests under way are waited for: they count


async def served(ingress: str, host: str, within_s: float = 60) -> None:
    """Wait until no request is lost, after all pods were away: the ingress learns of new ones a while later."""
    async with asyncio.timeout(within_s):
        while True:
            async with traffic(ingress, host) as users:
                await users.more(2 * AT_ONCE)
            if not users.lost:
                return


async def transcribe(session: aiohttp.ClientSession, url: str) -> str:
    """Have speech transcribed; return what was wrong, or nothing."""
    async with session.post(f"{url}/v1/audio/transcriptions", data=form(model="whisper-1")) as answer:
        if answer.status != HTTPStatus.OK:
            return f"HTTP {answer.status}: {await answer.text()}"
        heard = (await answer.json())["text"]
    return f"misheard: {heard}" if word_error_rate(heard) > WORDS_WRONG else ""


async def chat(session: aiohttp.ClientSession, url: str) -> str:
    """Chat; return what was wrong, or nothing."""
    body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
    async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
        if answer.status != HTTPStatus.OK:
            return f"HTTP {answer.status}: {await answer.text()}"
        said = (await answer.json())["choices"][0]["message"]["content"]
    return "" if said.strip() else "an empty answer"


Ask = Callable[[aiohttp.ClientSession, str], Awaitable[str]]


async def _tried(ask: Ask, session: aiohttp.ClientSession, url: str) -> str:
    try:
        return await ask(session, url)
    except (aiohttp.ClientError, TimeoutError) as error:
        return f"{ask.__name__}: {error!r}"
