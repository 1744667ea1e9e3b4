"""Which failures are tried again, and which end a batch."""

from pathlib import Path
from unittest.mock import Mock

import aiohttp
import pytest

from speechcli.errors import ClusterError
from speechcli.kube.client import ApiError
from speechcli.transcription.jobs import Job
from speechcli.transcription.request import ATTEMPTS, Options, transcribe
from speechcli.transcription.run import Result, run

pytestmark = pytest.mark.unit

NO_POD = ClusterError("no pod of the bridge of calls runs", transient=True)


class Failing:
    """An address that cannot be had."""

    def __init__(self, error: ClusterError) -> None:
        self.error = error
        self.asked = 0
        self.waits: list[float] = []

    async def address(self) -> str:
        self.asked += 1
        raise self.error

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def transcribe(self, source: Path) -> bytes:
        session = Mock(spec=aiohttp.ClientSession)
        return await transcribe(session, self.address, source, Options("srt"), self.wait)


@pytest.mark.parametrize("error", [NO_POD, ApiError(0, "timed out"), ApiError(429, "slow down"), ApiError(503, "busy")])
async def test_a_cluster_that_may_recover_is_asked_again(error: ClusterError) -> None:
    failing = Failing(error)

    with pytest.raises(ClusterError):
        await failing.transcribe(Path("one.wav"))

    assert failing.asked == ATTEMPTS
    assert failing.waits == [1, 2, 4, 8]


@pytest.mark.parametrize("error", [ApiError(401, "who?"), ApiError(403, "no"), ClusterError("no pipeline calls")])
async def test_a_refusal_is_final(error: ClusterError) -> None:
    failing = Failing(error)

    with pytest.raises(ClusterError):
        await failing.transcribe(Path("one.wav"))

    assert failing.asked == 1


async def test_a_missing_bridge_fails_a_file_and_not_the_batch(tmp_path: Path) -> None:
    jobs = [Job(tmp_path / name, tmp_path / f"{name}.srt") for name in ("one", "two")]

    ended = await run(jobs, Failing(NO_POD).transcribe, 1, Mock())

    assert [(done.result, done.why) for done in ended] == [(Result.FAILED, NO_POD.message)] * 2


async def test_a_refusal_ends_the_batch(tmp_path: Path) -> None:
    jobs = [Job(tmp_path / name, tmp_path / f"{name}.srt") for name in ("one", "two")]

    with pytest.raises(ApiError):
        await run(jobs, Failing(ApiError(403, "no")).transcribe, 1, Mock())
