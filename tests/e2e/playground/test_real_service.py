"""The playground with real Whisper, a real language model and the bridge, in Chromium."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.conftest import or_missing
from e2e.playground.using import BADGES, DONE, FAILED, SHORT, VOICE, has_text, open_with_voice, write_prompt
from speechlocal import client_packages
from spoken import transcript, words

if TYPE_CHECKING:
    from e2e.playground_browser import Page

# One browser serves all tests of this module, each in a page of its own: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


def share_heard(text: str) -> float:
    """The share of the words of `VOICE` that occur in a text."""
    said, heard = words(transcript(VOICE)), set(words(text))
    return sum(word in heard for word in said) / len(said)


async def test_dropped_recording_becomes_transcript_answer_and_timings(page: Page, service: str) -> None:
    await open_with_voice(page, service)
    await write_prompt(page, SHORT)
    await page.click("#run")
    await page.wait_for(DONE, seconds=120)
    if screenshot := os.environ.get("PLAYGROUND_SCREENSHOT"):
        await page.screenshot(Path(screenshot))

    assert share_heard(await page.text("#transcript")) >= 0.8
    assert await page.text("#answer") != ""
    assert "real time" in await page.text("#figures")
    assert page.complaints == []


async def test_words_spoken_into_the_microphone_are_heard(page: Page, service: str) -> None:
    await page.open(service)
    await page.wait_for(BADGES)
    await write_prompt(page, SHORT)
    await page.click("#record")
    await page.wait_for("document.getElementById('recorded-time').textContent === '0:08'")
    await page.click("#run")  # ends the recording, too
    await page.wait_for(has_text("answer"), seconds=120)

    assert share_heard(await page.text("#transcript")) >= 0.5  # Chromium's fake microphone may start anywhere
    assert page.complaints == []


async def test_text_called_wav_is_refused_in_clear_words(page: Page, service: str, tmp_path: Path) -> None:
    (tmp_path / "letter.wav").write_text("Dear Mr. Dashwood, this is no sound at all.\n" * 100)
    await page.open(service)
    await page.wait_for(BADGES)
    await page.drop(tmp_path / "letter.wav")
    await page.wait_for("document.getElementById('player').hidden")  # the browser cannot play it, either
    await page.click("#run")
    await page.wait_for(FAILED)

    assert "not_audio" in await page.text("#problem")
    assert "audio" in await page.text("#problem-text")


async def test_cancelled_request_leaves_the_service_ready_for_the_next(page: Page, service: str) -> None:
    await open_with_voice(page, service)
    await write_prompt(page, "Tell a very long story about this:")
    await page.click("#run")
    await page.wait_for(has_text("transcript"), seconds=120)
    await page.click("#cancel")
    await page.wait_for("document.body.dataset.state === 'cancelled'")

    await write_prompt(page, SHORT)
    await page.click("#run")
    await page.wait_for(DONE, seconds=120)
    assert await page.text("#answer") != ""


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
async def test_the_code_that_is_copied_runs(page: Page, service: str, language: str, tmp_path: Path) -> None:
    """With a prompt that holds what shells and programming languages treat in special ways."""
    await open_with_voice(page, service)
    await write_prompt(page, """Say "it's" $HOME `x` \\n @home.\nIn 3 words.""")
    await page.evaluate("document.getElementById('vocabulary').focus()")
    await page.send("Input.insertText", text='Norland "Park"')
    await page.click(".snippet summary")
    await page.click(f"input[value={language}]")
    code = await page.evaluate("document.getElementById('snippet').textContent")
    assert "Norland" in code
    shutil.copy(VOICE, tmp_path)

    with or_missing("clients"):
        command = {
            "curl": ["sh", "-c", code],
            "python": [str(client_packages.python()), "-c", code],
            "javascript": ["node", "--input-type=module", "--eval", code],
        }[language]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, errors = await asyncio.wait_for(process.communicate(), 120)

    assert process.returncode == 0, errors.decode()
    assert share_heard(said.decode()) >= 0.8
