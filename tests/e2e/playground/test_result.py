"""What the playground does with a result: waveform, timestamps, timeline, downloads, copies, history."""

from __future__ import annotations

import json
import re
import wave
from typing import TYPE_CHECKING

import pytest

from e2e.playground.using import BADGES, DONE, FAILED, TEXT, VOICE, ask, complete, cut_off, open_with_voice, saved
from e2e.playground_bridge import Refusal, ScriptedBridge, Until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.playground_browser import Page

# One browser serves all tests of this module, each in a page of its own: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

# The colours of the pixels of the waveform at a share of its width, as "r,g,b".
COLOURS = """(share) => {
    const canvas = document.getElementById("waveform");
    const left = Math.round(share * canvas.width);
    const { data } = canvas.getContext("2d").getImageData(left, 0, 12, canvas.height);
    const pixels = Array.from({ length: data.length / 4 }, (_, at) => data.slice(at * 4, at * 4 + 4));
    return [...new Set(pixels.filter((pixel) => pixel[3] === 255).map((pixel) => pixel.slice(0, 3).join()))];
}"""
DRAWN = f"({COLOURS})(0.3).length > 0"
HISTORY = "[...document.querySelectorAll('#history .entry-words')].map((words) => words.textContent)"


async def items(page: Page, listed: str) -> list[str]:
    """The texts of the items of a list."""
    texts = await page.evaluate(f"[...document.querySelectorAll('{listed} li')].map((item) => item.textContent)")
    return [str(text) for text in texts]


async def test_waveform_marks_what_is_doubtful_skipped_or_missing(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)

    assert await items(page, "#legend") == [
        "Transcribed 6.4 s",
        "Doubtful 1.5 s",
        "Skipped, no speech 7.8 s",  # of the 15.4 s of the file
        "No audio data 0.8 s",
    ]
    assert await items(page, "#marks") == [
        "0:03.0\N{EN DASH}0:04.5 Whisper was unsure of the words",
        "0:09.0\N{EN DASH}0:09.8 the audio is damaged",
    ]
    label = await page.evaluate("document.getElementById('waveform').ariaLabel")
    assert label.startswith("Waveform, ")
    assert "doubtful: 1.5 s" in label


async def test_a_transcript_that_the_deadline_ended_has_its_end_and_nothing_skipped_after_it(
    page: Page, scripted: ScriptedBridge
) -> None:
    scripted.script = cut_off()
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(FAILED)

    assert await page.text("#status") == "The transcript ends at 0:03."
    assert await items(page, "#legend") == ["Transcribed 2.6 s"]  # of the 15.4 s of the file
    assert "deadline_exceeded" in await page.text("#problem-facts")
    assert page.complaints == []


async def test_waveform_is_drawn_and_turns_to_the_colour_of_transcribed_audio(
    page: Page, scripted: ScriptedBridge
) -> None:
    rest = Until()
    first, *others = complete()
    scripted.script = [rest, first, *others]
    await open_with_voice(page, scripted.url)
    await page.wait_for(DRAWN)
    plain = await page.evaluate(f"({COLOURS})(0.15)")
    await page.click("#run")
    rest.set()
    await page.wait_for(DONE)

    assert await page.evaluate(f"({COLOURS})(0.15)") != plain


async def test_a_recording_too_long_to_decode_has_a_plain_timeline(
    page: Page, scripted: ScriptedBridge, tmp_path: Path
) -> None:
    long = tmp_path / "long.wav"
    with wave.open(str(long), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(700 * 16_000))  # 700 s of silence
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    await page.drop(long)
    await page.wait_for("document.getElementById('player').duration > 600")

    await page.wait_for(DRAWN)  # decoded, this silence would be drawn as a line
    heights = (
        f"({COLOURS.replace('return [...new', 'return pixels.filter((pixel) => pixel[3] === 255).length; [...new')})"
    )
    assert await page.evaluate(f"{heights}(0.5)") > 12 * 20


async def test_a_timestamp_plays_from_there_and_the_segment_is_marked(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)

    await page.click("#transcript li:nth-child(2) .time")
    await page.wait_for("document.querySelector('#transcript li:nth-child(2)').ariaCurrent === 'true'")

    assert await page.evaluate("document.getElementById('player').currentTime") >= 3.0
    assert await page.evaluate("document.querySelectorAll('#transcript [aria-current]').length") == 1


async def test_the_waveform_plays_from_where_it_is_clicked(page: Page, scripted: ScriptedBridge) -> None:
    await open_with_voice(page, scripted.url)
    await page.wait_for(DRAWN)
    await page.click("#waveform")  # in its middle

    half = "document.getElementById('player').duration / 2"
    await page.wait_for(f"document.getElementById('player').currentTime >= {half} - 0.2")


async def test_the_timeline_has_a_bar_for_each_stage(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)

    stages = await page.evaluate(
        "[...document.querySelectorAll('#stages li')].map((row) => [row.querySelector('.stage').firstChild.data,"
        " row.querySelector('.ms').textContent])"
    )
    assert [name for name, _ in stages] == ["Upload", "Queue", "Transcription", "First token", "Answer"]
    assert dict(stages)["Transcription"] == "640 ms"
    assert dict(stages)["Answer"] == "2.15 s"  # from the first token, at 810 ms, to the end
    assert "2.96 s in all" in await page.text("#figures")


@pytest.mark.parametrize("format_", ["txt", "srt", "vtt", "json"])
async def test_transcript_is_saved(page: Page, scripted: ScriptedBridge, format_: str, tmp_path: Path) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)
    await page.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    await page.click(f"[data-download={format_}]")

    text = await saved(tmp_path / f"{VOICE.stem}.{format_}")
    if format_ == "srt":
        assert text.startswith("1\n00:00:00,400 --> 00:00:03,000\nHe was not an ill-disposed young man,\n\n2\n")
    elif format_ == "vtt":
        assert text.startswith("WEBVTT\n\n00:00:00.400 --> 00:00:03.000\nHe was not")
    elif format_ == "txt":
        assert " ".join(text.split()) == TEXT
    else:
        assert json.loads(text)["coverage"]["doubtful"][0]["reason"] == "improbable"
        assert len(json.loads(text)["segments"]) == 3
    assert page.complaints == []


async def test_transcript_is_copied_without_its_times(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)
    await page.evaluate("void (navigator.clipboard.writeText = (text) => { window.copied = text; })")
    await page.click("[data-copy=transcript]")
    await page.wait_for("document.getElementById('copied').textContent === 'Copied'")

    assert await page.evaluate("window.copied") == TEXT


async def test_code_follows_the_options(page: Page, scripted: ScriptedBridge) -> None:
    await open_with_voice(page, scripted.url)
    await page.click(".snippet summary")
    await page.click("input[value=python]")
    await page.click("#translate")

    code = await page.text("#snippet")
    assert '"task": "translate"' in code
    assert f'open("{VOICE.name}", "rb")' in code


async def test_history_is_kept_in_the_browser_and_opened_again(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)
    await page.open(scripted.url)  # as after a reload
    await page.wait_for(f"{HISTORY}.length === 1")
    await page.click("#history .entry")
    await page.wait_for(DONE)

    assert await page.text("#answer") == "He meant well. The speaker is not sure."
    assert "Doubtful 1.5 s" in await items(page, "#legend")
    assert await page.evaluate("document.getElementById('player').hidden")  # the audio is not kept
    assert await page.evaluate("document.querySelectorAll('#transcript button').length") == 0
    assert "RIFF" not in await page.evaluate("JSON.stringify(localStorage)")
    assert await page.evaluate("indexedDB.databases()") == []
    assert await page.evaluate("document.cookie") == ""
    assert page.complaints == []


async def test_a_result_of_the_history_silences_the_loaded_recording(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)
    await page.click("#waveform")
    await page.wait_for("!document.getElementById('player').paused")
    await page.click("#history .entry")
    await page.wait_for("document.getElementById('player').hidden")

    assert await page.evaluate("document.getElementById('player').paused")
    assert await page.text("#recording-facts") == "0:12"  # of the result; the loaded file has 15.4 s


async def test_a_recording_that_the_browser_cannot_play_has_marks(
    page: Page, scripted: ScriptedBridge, tmp_path: Path
) -> None:
    scripted.script = complete()
    recording = tmp_path / "call.amr"
    recording.write_bytes(b"#!AMR\n" + bytes(1000))
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    await page.drop(recording)
    await page.wait_for("document.getElementById('recording-card').hidden")
    await page.click("#run")
    await page.wait_for(DONE)

    assert "Doubtful 1.5 s" in await items(page, "#legend")
    assert await page.text("#recording-card") != ""
    assert await page.evaluate("document.getElementById('player').hidden")
    assert await page.evaluate("document.querySelectorAll('#marks button').length") == 0
    await page.wait_for(DRAWN)


async def test_history_is_deleted_one_by_one_or_at_once(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)
    for count in (2, 3):
        await page.click("#run")
        await page.wait_for(f"{HISTORY}.length === {count}")

    await page.click("#history .remove")
    await page.wait_for(f"{HISTORY}.length === 2")
    await page.click("#clear-history")
    await page.wait_for("document.getElementById('confirm').open")
    await page.click("#confirm .primary")
    await page.wait_for(f"{HISTORY}.length === 0")

    assert await page.evaluate("localStorage.getItem('speech-history')") is None
    assert page.complaints == []


async def test_a_request_without_a_transcript_is_not_kept(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = Refusal(title="Overloaded", status=503, detail="Too many requests.", code="overloaded")
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for("document.body.dataset.state === 'failed'")

    assert await page.evaluate(HISTORY) == []


async def test_the_history_says_where_it_is_kept(page: Page, scripted: ScriptedBridge) -> None:
    await page.open(scripted.url)

    assert re.search(r"in this browser only.+nothing", await page.text(".history"), flags=re.IGNORECASE | re.DOTALL)
