"""The load that our own Whisper server tells."""

import asyncio

from aiohttp import ClientSession

DEADLINE_S = 60.0
"""After which a test that waits fails; a busy machine is slow."""


async def load(http: ClientSession, url: str) -> dict[str, float]:
    answer = await http.get(f"{url}/load")
    found: dict[str, float] = await answer.json()
    return found


async def reaches(http: ClientSession, url: str, **numbers: int) -> dict[str, float]:
    """Wait until the load has these numbers; return it."""
    async with asyncio.timeout(DEADLINE_S):
        while not numbers.items() <= (now := await load(http, url)).items():  # noqa: ASYNC110 - the load is another process's
            await asyncio.sleep(0.02)
    return now
