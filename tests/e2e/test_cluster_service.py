"""A pipeline on a real cluster, asked as users ask: through the ingress."""

import base64
from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest

from e2e.asking import LONGER_VOICE, PROMPT, VOICE, WORDS_WRONG, client, form, stream, word_error_rate
from e2e.service import MODEL, Deployed, Service, condition, install
from speechlocal.cluster import platform
from spoken import spelled

pytestmark = pytest.mark.e2e


@pytest.fixture
async def session(speech: Service) -> AsyncIterator[aiohttp.ClientSession]:
    async with client(speech.host) as opened:
        yield opened


@pytest.fixture
async def official(speech: Service) -> AsyncIterator[openai.AsyncOpenAI]:
    """OpenAI's client, as it is; only the address of the ingress has to be told from the name it is asked for."""
    async with openai.AsyncOpenAI(
        base_url=f"{speech.cluster.ingress}/v1", api_key="any", max_retries=0, default_headers={"Host": speech.host}
    ) as opened:
        yield opened


def test_deploying_shows_transcript_and_answer(deployed: Deployed) -> None:
    assert word_error_rate(deployed.answer["transcription"], LONGER_VOICE) <= WORDS_WRONG
    assert "error" not in deployed.answer
    assert "ready after" in deployed.shown
    assert "and mister john dashwood" in spelled(deployed.shown)


async def test_recording_is_answered(speech: Service, session: aiohttp.ClientSession) -> None:
    async with session.post(f"{speech.cluster.ingress}/process", data=form(prompt=PROMPT)) as answer:
        said = await answer.json()

    assert answer.status == 200, said
    assert word_error_rate(said["transcription"]) <= WORDS_WRONG
    assert said["response"].strip()
    assert said["model"] == MODEL
    assert "error" not in said


async def test_events_come_as_they_happen(speech: Service, session: aiohttp.ClientSession) -> None:
    streamed = await stream(session, speech.cluster.ingress)

    assert word_error_rate(streamed.data["transcript.done"]["text"], LONGER_VOICE) <= WORDS_WRONG
    assert streamed.names[0] == "transcript.delta"
    assert streamed.names[-1] == "response.done"
    assert streamed.names.count("response.delta") > 2
    first_words = streamed.times[streamed.names.index("response.delta")]
    assert streamed.times[0] < first_words < streamed.times[-1]
    # Something that kept events back would bring the transcript's end and the answer's at one time.
    generating = streamed.data["response.done"]["timings"]["generate_ms"] / 1000
    assert streamed.seconds_between("transcript.done", "response.done") > generating / 2


async def test_openais_client_works_unchanged(official: openai.AsyncOpenAI) -> None:
    heard = await official.audio.transcriptions.create(model="whisper-1", file=VOICE)
    audio = {"data": base64.b64encode(VOICE.read_bytes()).decode(), "format": "wav"}
    spoken = [{"type": "text", "text": PROMPT}, {"type": "input_audio", "input_audio": audio}]
    chat = await official.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": spoken}], max_tokens=16
    )
    listed = [model.id async for model in official.models.list()]

    assert word_error_rate(heard.text) <= WORDS_WRONG
    assert chat.choices[0].message.content
    assert listed[0] == MODEL


async def test_kubectl_tells_the_story(speech: Service) -> None:
    spec = (await speech.settle())["spec"]
    models, port = len(spec["ollama"]["models"]), spec["bridge"]["ingress"]["port"]

    head, row = speech.cluster.kubectl("-n", speech.namespace, "get", "sp", speech.name).splitlines()

    shown = dict(zip(head.split(), row.split(), strict=True))
    assert shown["READY"] == "True"
    assert (shown["WHISPER"], shown["OLLAMA"], shown["MODELS"]) == ("1/1", "1/1", f"{models}/{models}")
    assert shown["URL"] == f"http://{speech.host}:{port}"


async def test_every_condition_is_as_it_should_be(speech: Service) -> None:
    body = await speech.settle()

    wanted = dict.fromkeys(("Accepted", "Ready", "WhisperAvailable", "OllamaAvailable", "BridgeAvailable"), "True")
    wanted |= {"ModelsReady": "True", "Exposed": "True", "Progressing": "False"}
    assert {kind: condition(body, kind).get("status") for kind in wanted} == wanted


async def test_helm_test_sends_a_recording(speech: Service) -> None:
    install(speech.cluster, "--set", f"test.url=http://{speech.name}-bridge.{speech.namespace}.svc:8080")

    said = speech.cluster.helm("test", platform.RELEASE, "--namespace", platform.NAMESPACE, "--logs")

    assert "Phase:          Succeeded" in said
    assert "similar to the spoken words" in said


async def test_helm_test_without_a_pipeline_looks_at_the_operator(deployed: Deployed) -> None:
    install(deployed.cluster)

    said = deployed.cluster.helm("test", platform.RELEASE, "--namespace", platform.NAMESPACE, "--logs")

    assert "/readyz: HTTP 200" in said
