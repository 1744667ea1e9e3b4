"""Faults of pulls with Ollama 0.17.4: what it says, what is advised, and that the next pull succeeds."""

import asyncio
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from contract.conftest import or_missing
from contract.model_registry import WEIGHTS, ModelRegistry
from contract.streams import ndjson
from installed import installed
from speechlocal import debian
from speechlocal.children import free_port
from speechlocal.errors import LocalError
from speechlocal.ollama import serving
from speechoperator.errors import OllamaError
from speechoperator.ollama.client import OllamaClient
from speechoperator.ollama.messages import Progress
from speechoperator.plan.models.pull_errors import advice

pytestmark = pytest.mark.component

RESUMABLE = {"OLLAMA_NOPRUNE": "1"}
"""As in the operator's pods."""


@dataclass(frozen=True)
class Pod:
    """An Ollama, as the operator meets it."""

    url: str
    client: OllamaClient

    async def pull(self, model: str, *, insecure: bool = True) -> list[Progress]:
        return [line async for line in self.client.pull(self.url, model, insecure=insecure)]

    async def error(self, model: str, *, insecure: bool = True) -> str:
        """The error of a pull that fails."""
        with pytest.raises(OllamaError) as found:
            await self.pull(model, insecure=insecure)
        return str(found.value)


@asynccontextmanager
async def ollama(folder: Path, *, stall_timeout: float = 60.0) -> AsyncIterator[Pod]:
    async with AsyncExitStack() as stack:
        with or_missing("Ollama"):
            url = await stack.enter_async_context(serving(folder, environment=RESUMABLE))
        yield await stack.enter_async_context(met(url, stall_timeout))


@asynccontextmanager
async def met(url: str, stall_timeout: float = 60.0) -> AsyncIterator[Pod]:
    """An Ollama that runs, met by another operator."""
    async with OllamaClient(timeout=10.0, stall_timeout=stall_timeout) as client:
        yield Pod(url, client)


@pytest.fixture
async def pod(tmp_path: Path) -> AsyncIterator[Pod]:
    async with ollama(tmp_path / "models") as found:
        yield found


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A certificate that no certificate authority has signed."""
    openssl, folder = installed("openssl", debian.OPENSSL), tmp_path_factory.mktemp("tls")
    key, certificate = folder / "tls.key", folder / "tls.crt"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is too small for the weights."""
    folder = tmp_path / "models"
    folder.mkdir()
    with or_missing("disk of its own"):
        mount(f"size={WEIGHTS // 2}", folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def mount(options: str, folder: Path) -> None:
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounting.returncode:
        raise LocalError(f"mount: {mounting.stderr.strip()}", "run the tests as root")


async def test_a_name_that_does_not_exist(pod: Pod) -> None:
    async with ModelRegistry() as registry:
        error = await pod.error(f"{registry.model}-of-mine")

    assert "file does not exist" in error
    assert advice(error) == "The registry has no model of this name"


async def test_a_registry_without_tls(pod: Pod) -> None:
    async with ModelRegistry() as registry:
        error = await pod.error(registry.model, insecure=False)

    assert "insecure: true" in advice(error), error


async def test_a_certificate_that_is_not_trusted(pod: Pod, self_signed: ssl.SSLContext) -> None:
    async with ModelRegistry(tls=self_signed) as registry:
        error = await pod.error(registry.model, insecure=False)

    assert advice(error) == "The Ollama pods do not trust the registry's certificate", error


async def test_a_registry_that_is_down(pod: Pod) -> None:
    error = await pod.error(f"127.0.0.1:{free_port()}/library/tiny")

    assert advice(error) == "The pods cannot reach the registry", error


async def test_damaged_data_is_not_kept_and_the_next_pull_succeeds(pod: Pod) -> None:
    async with ModelRegistry(damaged=True) as registry:
        error = await pod.error(registry.model)
        assert "digest mismatch" in error
        assert "damaged data" in advice(error)
        assert await pod.client.models(pod.url) == {}

        registry.repair()
        await pod.pull(registry.model)

        assert list(await pod.client.models(pod.url)) == [f"{registry.model}:latest"]


async def test_a_registry_that_sends_nothing_any_more_is_given_up(tmp_path: Path) -> None:
    """Ollama itself waits forever, and goes on sending lines: 16 a second, all the same."""
    async with ollama(tmp_path / "models", stall_timeout=2.0) as pod, ModelRegistry() as registry:
        registry.flows.clear()
        assert await pod.error(registry.model) == "no progress in time"
        registry.flows.set()
        before = registry.sent

        async with met(pod.url) as patient:
            await patient.pull(registry.model)

    assert registry.sent - before < WEIGHTS, "it goes on where it was"


async def test_a_pull_that_joins_an_aborted_download_begins_again(pod: Pod, http: ClientSession) -> None:
    """The operator leaves a pull while Ollama pauses between two tries of a part, and starts it again.

    Another client has joined as well, to see what the operator's pull meets. It is in vain if it comes before Ollama
    has noticed that the first client left.
    """
    async with ModelRegistry() as registry:
        for version in range(10):
            registry.publish(version)
            await leave_in_a_pause(pod, registry)
            joined = asyncio.create_task(lines_of_a_pull(http, pod.url, registry.model))
            await pod.pull(registry.model)

            assert list(await pod.client.models(pod.url)) == [f"{registry.model}:latest"]
            if (await joined)[-1].get("error", "").endswith("context canceled"):
                return
    pytest.fail("no pull ever joined an aborted download")


async def leave_in_a_pause(pod: Pod, registry: ModelRegistry) -> None:
    """Leave a pull after the registry has cut a connection."""
    registry.cuts, cut = True, registry.cut
    async with aclosing(pod.client.pull(pod.url, registry.model, insecure=True)) as lines:
        async for _ in lines:
            if registry.cut > cut:
                break
    registry.cuts = False


async def lines_of_a_pull(http: ClientSession, url: str, model: str) -> list[dict[str, Any]]:
    return await ndjson(await http.post(f"{url}/api/pull", json={"model": model, "insecure": True}))


async def test_a_pull_goes_on_in_another_ollama_with_the_same_volume(tmp_path: Path) -> None:
    """The pod is replaced. The operator leaves the pull of a terminating pod, whereupon Ollama notes how far it came.

    Killed without notice, it loses the parts of a layer that were in progress: 100 MB to 1 GB each.
    """
    async with ModelRegistry() as registry:
        registry.flows.clear()
        async with ollama(tmp_path / "models", stall_timeout=2.0) as first:
            await first.error(registry.model)
            await noted(tmp_path / "models")
        registry.flows.set()
        before = registry.sent
        async with ollama(tmp_path / "models") as second:
            await second.pull(registry.model)

            assert list(await second.client.models(second.url)) == [f"{registry.model}:latest"]
    assert registry.sent - before < WEIGHTS


async def test_a_full_disk_is_named_and_the_pull_goes_on_once_there_is_room(small_disk: Path) -> None:
    async with ollama(small_disk) as pod, ModelRegistry() as registry:
        error = await pod.error(registry.model)
        assert "no space left on device" in error
        assert "ollama.cache.size" in advice(error)

        mount("remount,size=64m", small_disk)
        await pod.pull(registry.model)

        assert list(await pod.client.models(pod.url)) == [f"{registry.model}:latest"]


async def noted(models: Path) -> None:
    """Wait until Ollama has written down the progress of a part (server/download.go, writePart)."""
    async with asyncio.timeout(20):
        while not _completed(models):  # noqa: ASYNC110 - the files are another process's
            await asyncio.sleep(0.05)


def _completed(models: Path) -> int:
    """The bytes of a part that Ollama has noted."""
    for file in models.glob("blobs/*-partial-*"):
        with suppress(ValueError):  # it is being written
            return int(json.loads(file.read_text())["Completed"])
    return 0
