"""Languages, translation and doubt, with Whisper base: at the pod, and at the bridge in front of it.

The voices are those of Debian's asterisk-core-sounds, recorded by people, and of espeak-ng, which Whisper hardly
understands.
"""

import io
import re
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import av
import pytest

from contract.conftest import entered, or_missing
from contract.recordings import form
from speechlocal import debian, models, stack
from speechlocal.children import Program, free_port, running
from speechlocal.errors import MissingError
from spoken import words

pytestmark = pytest.mark.component

SOUNDS = Path("/usr/share/asterisk/sounds")
UNCERTAIN = 0.5
"""Languages that are less probable are reported (docs/explanation/transcripts.md)."""

DEADLINE_S = 900.0
"""For an answer on a busy machine: six temperatures may be tried."""

SYNTHETIC = "Добрый день. Я звоню вам, чтобы узнать, когда будет готов мой заказ. Номер заказа четыре тысячи восемьсот."
"""With a synthetic voice, Whisper base takes it for French and repeats one phrase until its token limit."""


@dataclass(frozen=True)
class Service:
    """What answers `/v1/audio/transcriptions` and `/v1/audio/translations`."""

    url: str

    async def ask(self, task: str, audio: bytes) -> dict[str, Any]:
        """The `verbose_json` of a recording whose language is not given."""
        data = form("file", audio, model="whisper-1", response_format="verbose_json")
        timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
        async with (
            aiohttp.ClientSession(timeout=timeout) as client,
            client.post(f"{self.url}/v1/audio/{task}", data=data) as response,
        ):
            body: dict[str, Any] = await response.json()
            assert response.status == 200, body
            return body


@pytest.fixture(scope="module")
def pod() -> Iterator[Service]:
    port = free_port()
    with or_missing("Whisper base"):
        program = whisper_base(port)
        with entered(running([program])):
            yield Service(stack.address(port))


@pytest.fixture(scope="module")
def bridge(pod: Service) -> Iterator[Service]:
    port = free_port()
    program = stack.bridge_program(port, pod.url, pod.url, "", generator="openai")
    environment = {**program.environment, "REQUEST_TIMEOUT": str(DEADLINE_S)}
    with entered(running([replace(program, ready_url=f"{stack.address(port)}/livez", environment=environment)])):
        yield Service(stack.address(port))


@pytest.fixture(params=["pod", "bridge"])
def service(request: pytest.FixtureRequest) -> Service:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Service)
    return found


@pytest.mark.parametrize(
    ("voice", "language", "said"),
    [
        ("es_MX_f_Allison/vm-msginstruct", "es", "para escuchar el siguiente mensaje"),
        ("fr_CA_f_June/vm-msginstruct", "fr", "message suivant"),
        ("it_IT_m_Carlo/vm-msginstruct", "it", "per ascoltare il messaggio"),
        ("ru_RU_f_IvrvoiceRU/demo-echotest", "ru", "в режим"),
    ],
)
async def test_the_language_is_detected_with_its_probability(
    pod: Service, voice: str, language: str, said: str
) -> None:
    answer = await pod.ask("transcriptions", prompt(voice))

    assert answer["language_code"] == language
    assert UNCERTAIN < answer["language_probability"] <= 1
    assert "uncertain_language" not in codes(answer)
    assert said in " ".join(words(answer["text"]))


async def test_a_recording_is_translated_into_english(service: Service) -> None:
    answer = await service.ask("translations", prompt("it_IT_m_Carlo/vm-msginstruct"))

    heard = words(answer["text"])
    assert {"message", "press"} <= set(heard)
    assert "premere" not in heard


async def test_a_language_that_is_hard_to_tell_is_reported_and_loops_are_cut(bridge: Service) -> None:
    """Whisper samples at the higher temperatures, so that sometimes no words are left: then there is no language."""
    answer = await bridge.ask("transcriptions", synthetic(SYNTHETIC))

    assert ("uncertain_language" if answer["text"] else "no_words") in codes(answer)
    assert not LOOP.search(answer["text"])
    doubtful = answer["coverage"]["doubtful"]
    assert ("doubtful" in codes(answer)) == bool(doubtful)
    assert all(0 <= one["start"] < one["end"] <= answer["duration"] + 0.1 for one in doubtful)


LOOP = re.compile(r"(.{4,}?)\1{5,}")
"""A phrase six times in a row."""


def whisper_base(port: int) -> Program:
    program = stack.whisper_program(port)
    weights = {
        "WHISPER_MODEL": str(models.whisper_base_weights()),
        "WHISPER_MODEL_NAME": models.WHISPER_BASE_NAME,
        "WHISPER_CONCURRENCY": "1",
    }
    return replace(program, environment={**program.environment, **weights})


def codes(answer: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in answer["warnings"]}


def prompt(name: str) -> bytes:
    """A recorded voice prompt as a .wav file: Whisper servers do not detect headerless GSM."""
    file = SOUNDS / f"{name}.gsm"
    with or_missing("voice prompts"):
        require(file.is_file(), str(file))
    samples = io.BytesIO()
    with av.open(str(file), format="gsm") as source, wave.open(samples, "wb") as target:
        target.setparams((1, 2, 8000, 0, "NONE", ""))
        resampler = av.AudioResampler("s16", "mono", 8000)
        for frame in source.decode(audio=0):
            for resampled in resampler.resample(frame):
                target.writeframes(resampled.to_ndarray().tobytes())
    return samples.getvalue()


def synthetic(text: str) -> bytes:
    """A .wav file of espeak-ng's Russian voice."""
    with or_missing("espeak-ng"):
        require(debian.ESPEAK.present(), "espeak-ng")
    spoken = subprocess.run(
        ["espeak-ng", "-v", "ru+f3", "--stdout", text], check=True, capture_output=True, timeout=60
    ).stdout
    return whole(spoken)


def whole(streamed: bytes) -> bytes:
    """The same .wav with its true length: on a pipe, espeak-ng does not know it when it writes the header."""
    samples = io.BytesIO()
    rate = int.from_bytes(streamed[24:28], "little")
    with wave.open(samples, "wb") as target:
        target.setparams((1, 2, rate, 0, "NONE", ""))
        target.writeframes(streamed[44:])
    return samples.getvalue()


def require(there: bool, what: str) -> None:  # noqa: FBT001 - a condition, like that of `assert`
    if not there:
        raise MissingError(f"no {what}", "run `python -m speechlocal prepare --fast`")
