"""Requests of the playground, against a bridge that answers as each test wrote down: faults and pauses on demand."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from e2e.playground.using import BADGES, CONTROL, DONE, FAILED, VOICE, complete, has_text, open_with_voice
from e2e.playground_bridge import ANSWER, READY, TIMINGS, Refusal, ScriptedBridge, Until, event

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.playground_browser import Page

# One browser serves all tests of this module, each in a page of its own: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

# The stream read character by character, and cut in two at every place: the different outcomes, of which there is one.
READ_AT_EVERY_CUT = """async (stream) => {
    const { EventParser } = await import("./playground/events.js");
    const read = (pieces) => {
        const parser = new EventParser();
        return JSON.stringify(pieces.flatMap((piece) => [...parser.push(piece)]));
    };
    const cuts = [...stream].map((_, at) => read([stream.slice(0, at), stream.slice(at)]));
    return [...new Set([read([...stream]), ...cuts])].map((events) => JSON.parse(events));
}"""


async def test_page_obeys_a_strict_content_policy(page: Page, scripted: ScriptedBridge) -> None:
    await open_with_voice(page, scripted.url)

    assert page.complaints == []
    assert "Whisper ready" in await page.text("#components")


async def test_page_works_behind_a_path_prefix(page: Page) -> None:
    async with ScriptedBridge().serving(prefix="/speech/eu") as bridge:
        bridge.script = [event("response.done", **ANSWER)]
        await open_with_voice(page, bridge.url)
        await page.click("#run")
        await page.wait_for(DONE)

        assert page.complaints == []
        assert f"{bridge.url}process" in await page.evaluate("document.getElementById('snippet').textContent")


async def test_form_offers_language_models_only_and_sends_the_file_last(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = [event("response.done", **ANSWER)]
    await open_with_voice(page, scripted.url)
    await page.wait_for("document.getElementById('model').options.length === 2")

    await page.evaluate("document.getElementById('language').value = 'en'")
    await page.click("#presets button:nth-child(4)")
    await page.evaluate("document.getElementById('vocabulary').focus()")
    await page.send("Input.insertText", text="Norland Park")
    await page.click("#translate")
    await page.click("#run")
    await page.wait_for(DONE)

    assert await page.evaluate("[...document.getElementById('model').options].map((o) => o.value)") == [
        "smollm2:135m",
        "qwen3:4b",
    ]
    assert scripted.fields == [
        ("prompt", "Write a title of at most eight words. Answer with the title alone."),
        ("model", "smollm2:135m"),
        ("language", "en"),
        ("hotwords", "Norland Park"),
        ("task", "translate"),
        ("stream", "true"),
        ("file", VOICE.name),
    ]


async def test_words_appear_while_the_answer_is_still_on_its_way(page: Page, scripted: ScriptedBridge) -> None:
    rest = Until()
    scripted.script = [
        event("transcript.delta", text=" He was not", start=0.0, end=1.5),
        event("transcript.done", text="He was not", language="en", audio_seconds=5.8, warnings=[]),
        event("response.delta", text="He"),
        rest,
        event("response.delta", text=" meant well."),
        event("response.done", **ANSWER),
    ]
    await open_with_voice(page, scripted.url)
    await page.click("#run")

    await page.wait_for("document.getElementById('answer').textContent === 'He'")
    assert "He was not" in await page.text("#transcript")
    rest.set()
    await page.wait_for(DONE)

    assert await page.text("#answer") == "He meant well."
    assert "9.1\N{MULTIPLICATION SIGN} real time" in await page.text("#figures")  # 5.8 s of audio in 640 ms


async def test_cancel_ends_the_request_and_keeps_what_is_there(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = [event("transcript.delta", text=" He was not", start=0.0, end=1.5), Until()]
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(has_text("transcript"))

    await page.click("#cancel")
    await page.wait_for("document.body.dataset.state === 'cancelled'")

    await scripted.left.wait()
    assert "He was not" in await page.text("#transcript")
    assert await page.evaluate("document.getElementById('problem').hidden")
    assert not await page.evaluate("document.getElementById('run').disabled")


async def test_refusal_is_shown_with_its_code_and_request_id(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = Refusal(
        type="about:blank",
        title="Payload Too Large",
        status=413,
        detail="The file is larger than 512 MiB.",
        code="upload_too_large",
        request_id="req-42",
    )
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(FAILED)

    shown = await page.text("#problem")
    assert "The file is larger than 512 MiB." in shown
    assert "upload_too_large" in shown
    assert "req-42" in shown


async def test_a_service_with_keys_asks_for_one(page: Page, scripted: ScriptedBridge) -> None:
    scripted.key = "open sesame"
    scripted.script = [event("transcript.done", text="He was not", warnings=[]), event("response.done", **ANSWER)]
    await page.open(scripted.url)
    await page.wait_for("!document.getElementById('key-field').hidden")

    await page.evaluate("document.getElementById('api-key').focus()")
    await page.send("Input.insertText", text="open sesame")
    await page.evaluate("document.getElementById('api-key').blur()")
    await page.wait_for("document.querySelectorAll('#model option').length === 2")
    await page.drop(VOICE)
    await page.click("#run")
    await page.wait_for(DONE)

    command = await page.evaluate("document.getElementById('snippet').textContent")
    assert "$API_KEY" in command
    assert "open sesame" not in command


async def test_without_keys_there_is_no_field_for_one(page: Page, scripted: ScriptedBridge) -> None:
    await open_with_voice(page, scripted.url)

    assert await page.evaluate("document.getElementById('key-field').hidden")


async def test_failed_generation_keeps_transcript_timings_and_warnings(page: Page, scripted: ScriptedBridge) -> None:
    warning = {"code": "quiet", "message": "The recording is very quiet."}
    error = {"code": "model_missing", "message": "The language model is not there."}
    failed = ANSWER | {"response": "Ollama processing failed: ...", "error": error, "warnings": [warning]}
    scripted.script = [
        event("transcript.done", text="He was not", language="en", audio_seconds=5.8, warnings=[warning]),
        event("error", stage="generate", **error),
        event("response.done", **failed),
    ]
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(FAILED)

    assert "The language model is not there." in await page.text("#problem")
    assert "req-7f3a" in await page.text("#problem")  # the answer's X-Request-ID
    assert await page.text("#warnings") == "The recording is very quiet."  # it came twice
    assert "He was not" in await page.text("#transcript")
    assert await page.text("#answer") == ""
    assert "2.96 s" in await page.text("#figures")


@pytest.mark.parametrize("detail", ["Too many requests.", "Too many requests; try again in 4 s."])
async def test_time_to_retry_is_shown_once(page: Page, scripted: ScriptedBridge, detail: str) -> None:
    scripted.script = Refusal(title="Overloaded", status=503, detail=detail, code="overloaded")
    scripted.retry_after = "4"
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(FAILED)

    assert (await page.text("#problem-text")).lower().count("try again in 4 s") == 1


async def test_answer_that_breaks_off_is_an_error(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = [event("transcript.done", text="He was not", warnings=[]), event("response.delta", text="He")]
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(FAILED)

    assert "closed before the answer was complete" in await page.text("#problem")


async def test_silence_is_an_answer(page: Page, scripted: ScriptedBridge) -> None:
    nothing = {"transcription": "", "response": "", "timings": dict.fromkeys(TIMINGS)}
    scripted.script = [
        event("transcript.done", text="", language=None, audio_seconds=None, warnings=[]),
        event("response.done", **(ANSWER | nothing | {"audio_seconds": None, "language": None})),
    ]
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(DONE)

    none = "document.getElementById('transcript').dataset.none"
    assert await page.evaluate(none) == "No speech was detected."
    assert page.complaints == []


async def test_missing_part_is_named_until_it_is_there(page: Page, scripted: ScriptedBridge) -> None:
    scripted.components = READY | {"llm": {"ready": False, "detail": "pulling llama3"}}
    await page.open(scripted.url)
    await page.wait_for(BADGES)

    assert "Language model not ready" in await page.text("#components")
    assert "pulling llama3" in await page.text("#components-detail")
    scripted.components = READY
    await page.wait_for("document.getElementById('components').innerText.includes('Language model ready')")


async def test_keyboard_alone_is_enough(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = [event("transcript.delta", text=" He was not", start=0.0, end=1.5), Until()]
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    reached = []
    for _ in range(17):
        await page.press("Tab", 9)
        reached.append(await page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    options = ["prompt", "model", "language", "vocabulary", "translate", "separate"]
    assert reached[1:] == ["record", "file", *["BUTTON"] * 6, *options, "run", "SUMMARY"]

    await page.drop(VOICE)
    await page.press("Enter", 13, modifiers=CONTROL)
    await page.wait_for(has_text("transcript"))
    await page.press("Escape", 27)
    await page.wait_for("document.body.dataset.state === 'cancelled'")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_events_are_read_whole_wherever_the_stream_is_cut(page: Page, scripted: ScriptedBridge, end: str) -> None:
    first = [": keep-alive", "event: a", 'data: {"text":', "data:  1}", ""]
    then = ["id: 7", "data", "", ":", "data: é", "", "event: lost", ""]
    stream = "".join(line + end for line in [*first, *then])
    await page.open(scripted.url)
    readings = await page.evaluate(f"({READ_AT_EVERY_CUT})({json.dumps(stream)})")
    assert readings == [
        [
            {"name": "a", "data": '{"text":\n 1}'},
            {"name": "message", "data": ""},
            {"name": "message", "data": "é"},
        ]
    ]


async def test_recording_from_the_microphone_is_sent(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = [event("response.done", **ANSWER)]
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    await page.click("#record")
    await page.wait_for("document.getElementById('recorded-time').textContent === '0:01'")
    await page.click("#record")
    await page.wait_for("document.getElementById('player').duration > 0.5")
    await page.click("#run")
    await page.wait_for(DONE)

    name, sent = scripted.fields[-1]
    assert name == "file"
    assert re.fullmatch(r"recording-[\d-]+\.webm", sent)
    assert page.complaints == []


# The microphone opens when the test calls `allow()`; `asked` counts the questions, `microphones` are the streams.
ASKED_FOR_MICROPHONE = """void (() => {
    const { mediaDevices } = navigator;
    const open = mediaDevices.getUserMedia.bind(mediaDevices);
    Object.assign(window, { asked: 0, microphones: [] });
    const allowed = new Promise((resolve) => (window.allow = resolve));
    mediaDevices.getUserMedia = async (wanted) => {
        window.asked += 1;
        await allowed;
        window.microphones.push(await open(wanted));
        return window.microphones.at(-1);
    };
})()"""

# `sent` counts the requests.
COUNT_REQUESTS = """void (() => {
    const { send } = XMLHttpRequest.prototype;
    window.sent = 0;
    XMLHttpRequest.prototype.send = function (body) {
        window.sent += 1;
        send.call(this, body);
    };
})()"""


async def test_a_second_click_on_record_opens_no_second_microphone(page: Page, scripted: ScriptedBridge) -> None:
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    await page.evaluate(ASKED_FOR_MICROPHONE)
    await page.click("#record")
    await page.click("#record")
    await page.evaluate("window.allow()")
    await page.wait_for("document.getElementById('recorded-time').textContent === '0:01'")

    assert await page.evaluate("window.asked") == 1
    await page.click("#record")
    await page.wait_for("document.getElementById('player').duration > 0.5")
    assert await page.evaluate("window.microphones[0].active") is False
    assert page.complaints == []


async def test_a_recording_survives_the_loss_of_its_microphone(page: Page, scripted: ScriptedBridge) -> None:
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    await page.evaluate(ASKED_FOR_MICROPHONE)
    await page.click("#record")
    await page.evaluate("window.allow()")
    await page.wait_for("document.getElementById('recorded-time').textContent === '0:01'")
    await page.evaluate("window.microphones[0].getTracks().forEach((track) => track.stop())")

    await page.wait_for("document.getElementById('player').duration > 0.5")
    assert await page.text("#record") == "Record"
    assert page.complaints == []


async def test_one_request_is_sent_at_a_time(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await open_with_voice(page, scripted.url)
    await page.evaluate(COUNT_REQUESTS)
    await page.click("#record")
    await page.wait_for("document.getElementById('recorded-time').textContent === '0:01'")
    await page.evaluate("['run', 'run'].forEach((id) => document.getElementById(id).click())")
    await page.wait_for(DONE)
    held = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": CONTROL, "autoRepeat": True}
    await page.send("Input.dispatchKeyEvent", type="keyDown", **held)

    assert await page.evaluate("window.sent") == 1
    assert scripted.fields[-1][1].startswith("recording-")  # not the file that was loaded before


async def test_a_refused_request_is_sent_again(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = Refusal(
        title="Starting", status=503, detail="Whisper is starting.", code="transcriber_unavailable"
    )
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(FAILED)

    scripted.script = complete()
    await page.click("#retry")
    await page.wait_for(DONE)

    assert await page.evaluate("document.getElementById('problem').hidden")
    assert await page.text("#answer") != ""


async def test_a_starting_service_says_how_long_it_takes(page: Page, scripted: ScriptedBridge) -> None:
    started = Until()
    loading = {"stage": "starting", "eta_seconds": 40}
    scripted.script = [event("status", status="starting", stage="transcribe", loading=loading), started, *complete()]
    await open_with_voice(page, scripted.url)
    await page.click("#run")

    await page.wait_for("document.getElementById('status').textContent.includes('about 40 s left')")
    assert "Whisper is starting" in await page.text("#status")
    started.set()
    await page.wait_for(DONE)


async def test_the_upload_shows_its_progress(page: Page, scripted: ScriptedBridge, tmp_path: Path) -> None:
    scripted.reading = Until()
    large = tmp_path / "large.wav"
    large.write_bytes(VOICE.read_bytes()[:44] + bytes(32 * 2**20))
    scripted.script = complete()
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    await page.drop(large)
    await page.wait_for("!document.getElementById('loaded').hidden")
    await page.click("#run")

    await page.wait_for("!document.getElementById('upload').hidden && document.getElementById('upload').value > 0")
    assert await page.text("#status") == "Uploading."
    scripted.reading.set()
    await page.wait_for(DONE)
    assert await page.evaluate("document.getElementById('upload').hidden")


async def test_a_denied_microphone_is_explained(page: Page, scripted: ScriptedBridge) -> None:
    await page.open(scripted.url)
    await page.wait_for(BADGES)
    denied = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'))"
    await page.evaluate(f"void ({denied})")
    await page.click("#record")

    await page.wait_for("!document.getElementById('audio-problem').hidden")
    assert "Access to the microphone was denied" in await page.text("#audio-problem")
