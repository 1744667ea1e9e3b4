"""`docker compose up`: the service on one machine, run for real, asked at 127.0.0.1."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from e2e.asking import LONGER_VOICE, PROMPT, VOICE, WORDS_WRONG, form, word_error_rate
from e2e.compose_project import MODEL, Project, documented, offline
from e2e.traffic import traffic
from speechlocal import models
from speechlocal.children import free_port
from speechlocal.containers import docker
from speechlocal.errors import LocalError
from speechlocal.images import building, catalog
from speechlocal.offline import provide

pytestmark = pytest.mark.e2e

UNAUTHORIZED = 401


@pytest.fixture(scope="module")
def prepared(container_engine: None) -> Project:  # noqa: ARG001 - it is there
    """All that a project needs, and nothing that runs."""
    try:
        building.build(["bridge", "whisper-tiny.en", "ollama"], lambda _line: None)
        registry = provide.image("model-registry")
        program = provide.program("docker-compose")
    except LocalError as error:
        why = f"no Docker Compose with the images: {error.message}"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return Project(program, f"speech-e2e-{os.getpid()}", free_port(), offline(registry))


@pytest.fixture(scope="module")
def service(prepared: Project) -> Iterator[Project]:
    """The whole service, up and healthy."""
    try:
        prepared.up()
        yield prepared
    finally:
        prepared.down()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(300)) as session:
        yield session


async def test_a_recording_is_answered(service: Project, client: aiohttp.ClientSession) -> None:
    data = form(LONGER_VOICE, prompt=PROMPT)

    async with client.post(f"{service.url}/process", data=data) as answer:
        said = await answer.json()

    assert answer.status == 200, said
    assert word_error_rate(said["transcription"], LONGER_VOICE) <= WORDS_WRONG
    assert said["response"].strip()
    assert "error" not in said
    assert said["model"] == MODEL


async def test_the_model_pulled_from_the_registry_goes_by_its_plain_name(
    service: Project, client: aiohttp.ClientSession
) -> None:
    async with client.get(f"{service.url}/v1/models") as answer:
        listed = [model["id"] for model in (await answer.json())["data"]]

    assert listed == [MODEL, "whisper-1"]
    assert service.settings["MODEL_REGISTRY"] not in service.run("exec", "-T", "ollama", "ollama", "list")


def test_only_the_bridge_is_reachable_and_only_from_this_machine(service: Project) -> None:
    published = {
        name: [port["HostIp"] for ports in one["NetworkSettings"]["Ports"].values() for port in ports or ()]
        for name, one in service.containers().items()
    }

    assert published.pop("bridge") == ["127.0.0.1"]
    assert not any(published.values())


def test_the_bridge_starts_after_the_models_are_there(service: Project) -> None:
    models, bridge = service.container("models")["State"], service.container("bridge")["State"]

    assert models["ExitCode"] == 0
    assert models["FinishedAt"] < bridge["StartedAt"]


@pytest.mark.parametrize("part", ["bridge", "whisper", "ollama"])
def test_a_container_may_do_little_and_take_only_so_much(service: Project, part: str) -> None:
    limits = service.container(part)["HostConfig"]
    status = service.run("exec", "-T", part, "cat", "/proc/1/status")

    assert limits["ReadonlyRootfs"]
    assert limits["CapDrop"] == ["ALL"]
    assert limits["Memory"] > 0
    assert limits["PidsLimit"] > 0
    assert {limit["Name"]: limit["Hard"] for limit in limits["Ulimits"]} == {"nofile": 16384, "core": 0}
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Uid:\t10001\t10001\t10001\t10001" in status


async def test_a_restart_of_whisper_loses_no_request(service: Project) -> None:
    async with traffic(service.url, "localhost") as seen:
        await seen.more(2)
        service.run("restart", "whisper")
        await seen.more()

    assert not seen.lost


def test_a_second_up_changes_nothing_and_needs_no_registry(service: Project) -> None:
    before = {name: one["Id"] for name, one in service.containers().items()}
    service.run("stop", "model-registry", "model-blobs")

    service.run("run", "--rm", "--no-deps", "models")
    service.up()

    assert {name: one["Id"] for name, one in service.containers().items()} == before


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with one API key, which the container's user can read."""
    tmp_path.chmod(0o755)
    (tmp_path / "one").write_text("spell-the-magic-word")
    return tmp_path


async def test_with_a_folder_of_keys_the_api_asks_for_one(
    service: Project, client: aiohttp.ClientSession, keys: Path
) -> None:
    service.having(API_KEYS=str(keys)).up("bridge")

    async with client.get(f"{service.url}/v1/models") as refused:
        pass
    async with client.get(f"{service.url}/v1/models", headers={"X-API-Key": "spell-the-magic-word"}) as allowed:
        pass
    service.up("bridge")

    assert (refused.status, allowed.status) == (UNAUTHORIZED, 200)


async def test_the_other_engine_is_a_profile(service: Project, client: aiohttp.ClientSession) -> None:
    """The published image cannot be had here; speechwhisper stands in, which answers /asr as it does."""
    stand_in = {"ASR_WEBSERVICE_IMAGE": service.settings["WHISPER_IMAGE"], "ASR_MODEL": "/models/tiny.en"}
    other = service.having(**documented("COMPOSE_PROFILES"), **stand_in)
    other.up()

    async with client.post(f"{service.url}/v1/audio/transcriptions", data=form(model="whisper-1")) as answer:
        heard = (await answer.json())["text"]

    assert word_error_rate(heard, VOICE) <= WORDS_WRONG
    assert '"/asr"' in other.run("logs", "asr-webservice")
    assert "whisper" not in other.containers()
    other.run("stop", "asr-webservice")
    service.up()


async def test_a_model_that_cannot_be_pulled_is_named_and_recordings_are_transcribed(
    prepared: Project, client: aiohttp.ClientSession
) -> None:
    project = Project(
        prepared.program,
        f"{prepared.name}-without",
        free_port(),
        {**prepared.settings, "MODELS": "unheard-of", "PULL_ATTEMPTS": "1"},
    )
    try:
        with pytest.raises(LocalError, match="models"):
            project.up()

        assert "unheard-of: not pulled after 1 attempts" in project.run("logs", "models")
        heard = await transcribed(project, client)
    finally:
        project.down()
    assert word_error_rate(heard, VOICE) <= WORDS_WRONG
    assert project.left() == {}


async def transcribed(project: Project, client: aiohttp.ClientSession) -> str:
    """What a bridge that has just started hears in a recording."""
    async with asyncio.timeout(60):
        while True:
            try:
                async with client.post(
                    f"{project.url}/v1/audio/transcriptions", data=form(model="whisper-1")
                ) as answer:
                    return str((await answer.json())["text"])
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)


def test_weights_are_fetched_once_and_whisper_loads_them(prepared: Project) -> None:
    project = fetching(prepared, "http://weights-source:5002/")
    try:
        project.up("whisper")
        fetched = project.run("logs", "fetch")
        project.run("stop", "weights-source")

        again = project.run("run", "--rm", "--no-deps", "fetch")

        assert "downloading tiny.en" in fetched
        assert "ready tiny.en" in fetched
        assert again.splitlines()[-1] == "/cache/Systran--faster-whisper-tiny.en"
        assert project.container("fetch")["State"]["FinishedAt"] < project.container("whisper")["State"]["StartedAt"]
    finally:
        project.down()


def test_weights_that_are_not_there_are_named_and_whisper_does_not_start(prepared: Project) -> None:
    project = fetching(prepared, "http://weights-source:5002/elsewhere/")
    try:
        with pytest.raises(LocalError, match="fetch"):
            project.up("whisper")

        assert "error: http://weights-source:5002/elsewhere/ has no CTranslate2 weights" in project.run("logs", "fetch")
        assert project.container("whisper")["State"]["Status"] == "created"
    finally:
        project.down()


def fetching(prepared: Project, url: str) -> Project:
    """A project whose Whisper image has no weights: `fetch` gets those of tiny.en from a web server beside it."""
    settings = {
        **prepared.settings,
        "WHISPER_IMAGE": catalog.tag("whisper"),
        "WHISPER_MODEL": "tiny.en",
        "WEIGHTS_URL": url,
        "WEIGHTS_FOLDER": str(models.whisper_weights()),
    }
    files = (*prepared.files, "tests/e2e/compose/weights.yml")
    return Project(prepared.program, f"{prepared.name}-fetch", free_port(), settings, files)


def test_gpus_are_reserved_by_the_second_file(prepared: Project) -> None:
    files = ("docker-compose.yml", "docker-compose.gpu.yml")
    plain = Project(prepared.program, prepared.name, prepared.port, {}, files)

    services = plain.config()

    for part in ("whisper", "ollama"):
        (device,) = services[part]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"], device["count"]) == ("nvidia", ["gpu"], -1)
    assert services["whisper"]["environment"]["WHISPER_DEVICE"] == "cuda"
    assert services["whisper"]["build"]["args"]["DEVICE"] == "cuda"
    assert services["whisper"]["image"] == catalog.tag("whisper-cuda")


def test_down_leaves_nothing_behind(service: Project) -> None:
    mounts = [mount for one in service.containers().values() for mount in one["Mounts"]]
    volumes = {mount["Name"] for mount in mounts if mount["Type"] == "volume"}

    service.down()

    assert service.left() == {}
    assert not volumes & set(docker.docker("volume", "ls", "--quiet").split())
