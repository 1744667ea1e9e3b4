"""Commands of the documentation that ask a service: run as a reader types them, against real models."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from typing import TYPE_CHECKING

import certifi
import pytest

from documentation import blocks
from documented_commands import Reader, unprinted
from speechlocal import models, paths
from speechlocal.children import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from documentation import Block
    from speechlocal.stack import Stack

pytestmark = pytest.mark.component

VOICE = paths.RECORDINGS / "austen-ill-disposed.wav"
COMMANDS = [block for block in blocks(tier="component") if block.is_typed]
SCRIPTS = [block for block in blocks(tier="component") if block.language == "python"]
PRINTED = {
    "README.md": '"transcription": ".*disposed',
    "docs/how-to/ask-the-language-model.md": r'"response": "\{[\\n ]*\\"mood\\"',
    "docs/how-to/migrate-from-ollama.md": '"content"',
    "docs/how-to/migrate-from-speaches.md": '"segments"',
    "docs/how-to/migrate-from-the-go-bridge.md": '"transcription": ".*disposed',
    "docs/how-to/migrate-from-whisper-asr-webservice.md": r"(?s)1\n00:00:00,\d+ --> .*\"detected_language\"",
    "docs/how-to/send-audio.md": '"transcription": ".*disposed',
    "docs/tutorials/from-the-demo-to-your-own-client.md": '"transcription": ?"',
    "examples/README.md": '"transcription": ".*disposed',
}
"""What the commands of a page print that end by themselves, as a regular expression."""
WITH_OUR_PACKAGES = (
    f"echo {sysconfig.get_path('purelib')} >"
    f" my-client/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/tests.pth\n"
    "export PIP_NO_INDEX=1"
)
"""Pip finds in the reader's environment what it would fetch from an index."""


@pytest.fixture(autouse=True, scope="module")
def tools(unavailable: Callable[[str], None]) -> None:
    for program in ("curl", "node"):
        if shutil.which(program) is None:
            unavailable(f"{program} is not installed; run `python -m speechlocal prepare`")


@pytest.fixture
def reader(stack: Stack, tmp_path: Path) -> Reader:
    """Has recordings of the names in the pages; the service and its model have other addresses and names here."""
    whisper_port, bridge_port = free_port(), free_port()
    here = "SERVER_HOST=127.0.0.1 SERVER_PORT={}"
    return Reader(
        tmp_path,
        replaced={
            "http://127.0.0.1:8080": stack.url,
            "http://localhost:8080": stack.url,
            "http://127.0.0.1:11434 GENERATOR=ollama": f"{stack.llm_url} GENERATOR=openai",
            "http://127.0.0.1:9000/": f"{stack.whisper_url}/",
            "http://127.0.0.1:9000": f"http://127.0.0.1:{whisper_port}",
            "WHISPER_MODEL=small": f"{here.format(whisper_port)} WHISPER_MODEL={models.whisper_weights()}",
            "MODELS=llama3.2": f"MODELS={stack.model} {here.format(bridge_port)}",
            "OLLAMA_URL=": f"{here.format(bridge_port)} OLLAMA_URL=",
            "LLM_API_KEY=": f"{here.format(bridge_port)} LLM_API_KEY=",
            "/etc/ssl/example-ca.pem": certifi.where(),
            "language=de": "language=en",  # tiny.en knows no other
            'model="llama3"': f'model="{stack.model}"',
            "python3 -m venv my-client": f"python3 -m venv my-client\n{WITH_OUR_PACKAGES}",
        },
        saved=dict.fromkeys(("recording.wav", "call.mp3"), VOICE.read_bytes()),
        variables={"SPEECH_URL": stack.url},
    )


def ended_by(block: Block) -> str:
    return block.mark.until if block.mark else ""


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.place)
def test_commands_do_what_the_page_says(block: Block, reader: Reader) -> None:
    printed = reader.types(block)

    assert re.search(ended_by(block) or PRINTED[block.page], printed), printed
    assert unprinted(block, printed) == set()


@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.place)
def test_a_script_prints_an_answer(block: Block, reader: Reader) -> None:
    assert reader.types(block).strip()


def test_the_client_of_the_tutorial(reader: Reader, request: pytest.FixtureRequest) -> None:
    install, client, run, stream, remove = blocks(test=request.node.name)

    reader.types(install)
    reader.saves("my-client/transcribe.py", client)
    *segments, answer = reader.types(run).splitlines()
    printed = reader.types(stream)
    reader.types(remove)

    assert "Dashwood" in " ".join(segments)
    assert re.match(r" *0\.\d\d \w", segments[0])
    assert answer.strip()
    assert re.search("transcription: .*Dashwood", printed)
    assert not (reader.folder / "my-client").exists()


def test_every_page_with_expected_output_has_commands() -> None:
    assert set(PRINTED) == {block.page for block in COMMANDS if not ended_by(block)}
