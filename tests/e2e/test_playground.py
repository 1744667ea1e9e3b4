"""The page at `/`, as people use it: in Chromium, with a mouse, a keyboard, a dropped file and a microphone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from e2e.playground_bridge import ANSWER, READY, TIMINGS, Refusal, ScriptedBridge, Until, event
from e2e.playground_browser import Browser, Page
from speechlocal.stack import plan, started
from spoken import transcript, words

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# One browser serves all tests of this module, each in a page of its own: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

RECORDINGS = Path(__file__).parents[2] / "examples" / "audio"
VOICE = RECORDINGS / "austen-leisure-to-consider.wav"
SHORT = "In one sentence, what does the speaker say?"  # left to itself a very small model goes on and on
CONTROL = 2

DONE = "document.body.dataset.state === 'done'"
FAILED = "document.body.dataset.state === 'failed'"
BADGES = "document.querySelectorAll('#components li').length === 2"


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


def has_text(element: str) -> str:
    return f"document.getElementById('{element}').textContent !== ''"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with Browser.start(microphone=VOICE) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with browser.page() as opened:
        await opened.look_like(width=1280)
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def scripted() -> AsyncIterator[ScriptedBridge]:
    async with ScriptedBridge().serving() as bridge:
        yield bridge


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service() -> AsyncIterator[str]:
    """The address of real Whisper, a real language model and the bridge."""
    async with started(plan()) as stack:
        yield f"{stack.url}/"


async def open_with_voice(page: Page, url: str) -> None:
    await page.open(url)
    await page.wait_for(BADGES)
    await page.drop(VOICE)
    await page.wait_for("document.getElementById('player').duration > 0")


async def write_prompt(page: Page, text: str) -> None:
    await page.evaluate("document.getElementById('prompt').select()")
    await page.send("Input.insertText", text=text)


def share_heard(text: str) -> float:
    """The share of the words of `VOICE` that occur in a text."""
    said, heard = words(transcript(VOICE)), set(words(text))
    return sum(word in heard for word in said) / len(said)


class TestRealService:
    """Against real Whisper, a real language model and the bridge."""

    async def test_dropped_recording_becomes_transcript_answer_and_timings(self, page: Page, service: str) -> None:
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

    async def test_page_is_sent_with_a_strict_content_policy(self, page: Page, service: str) -> None:
        await page.open(service)

        policy = await page.evaluate("fetch('').then((answer) => answer.headers.get('Content-Security-Policy'))")
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy

    async def test_words_spoken_into_the_microphone_are_heard(self, page: Page, service: str) -> None:
        await page.open(service)
        await page.wait_for(BADGES)
        await write_prompt(page, SHORT)
        await page.click("#record")
        await page.wait_for("document.getElementById('recorded-time').textContent === '0:08'")
        await page.click("#run")  # ends the recording, too
        await page.wait_for(has_text("answer"), seconds=120)

        assert share_heard(await page.text("#transcript")) >= 0.5  # Chromium's fake microphone may start anywhere
        assert page.complaints == []

    async def test_text_called_wav_is_refused_in_clear_words(self, page: Page, service: str, tmp_path: Path) -> None:
        (tmp_path / "letter.wav").write_text("Dear Mr. Dashwood, this is no sound at all.\n" * 100)
        await page.open(service)
        await page.wait_for(BADGES)
        await page.drop(tmp_path / "letter.wav")
        await page.wait_for("document.getElementById('player').hidden")  # the browser cannot play it, either
        await page.click("#run")
        await page.wait_for(FAILED)

        assert "not_audio" in await page.text("#problem")
        assert "audio" in await page.text("#problem-text")

    async def test_cancelled_request_leaves_the_service_ready_for_the_next(self, page: Page, service: str) -> None:
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


class TestScripted:
    """Against a bridge that answers as each test wrote down: faults and pauses on demand."""

    async def test_page_obeys_a_strict_content_policy(self, page: Page, scripted: ScriptedBridge) -> None:
        await open_with_voice(page, scripted.url)

        assert page.complaints == []
        assert "Whisper ready" in await page.text("#components")

    async def test_page_works_behind_a_path_prefix(self, page: Page) -> None:
        async with ScriptedBridge().serving(prefix="/speech/eu") as bridge:
            bridge.script = [event("response.done", **ANSWER)]
            await open_with_voice(page, bridge.url)
            await page.click("#run")
            await page.wait_for(DONE)

            assert page.complaints == []
            assert f"{bridge.url}process" in await page.evaluate("document.getElementById('curl').textContent")

    async def test_form_offers_language_models_only_and_sends_the_file_last(
        self, page: Page, scripted: ScriptedBridge
    ) -> None:
        scripted.script = [event("response.done", **ANSWER)]
        await open_with_voice(page, scripted.url)
        await page.wait_for("document.getElementById('model').options.length === 2")

        await page.evaluate("document.getElementById('language').value = 'en'")
        await page.click("#run")
        await page.wait_for(DONE)

        assert await page.evaluate("[...document.getElementById('model').options].map((o) => o.value)") == [
            "smollm2:135m",
            "qwen3:4b",
        ]
        assert scripted.fields == [
            ("prompt", "Process this transcription:"),
            ("model", "smollm2:135m"),
            ("language", "en"),
            ("stream", "true"),
            ("file", VOICE.name),
        ]

    async def test_words_appear_while_the_answer_is_still_on_its_way(
        self, page: Page, scripted: ScriptedBridge
    ) -> None:
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
        assert "9.1" in await page.text("#figures")  # 5.8 s of audio in 640 ms

    async def test_cancel_ends_the_request_and_keeps_what_is_there(self, page: Page, scripted: ScriptedBridge) -> None:
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

    async def test_refusal_is_shown_with_its_code_and_request_id(self, page: Page, scripted: ScriptedBridge) -> None:
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

    async def test_a_service_with_keys_asks_for_one(self, page: Page, scripted: ScriptedBridge) -> None:
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

        command = await page.evaluate("document.getElementById('curl').textContent")
        assert "$API_KEY" in command
        assert "open sesame" not in command

    async def test_without_keys_there_is_no_field_for_one(self, page: Page, scripted: ScriptedBridge) -> None:
        await open_with_voice(page, scripted.url)

        assert await page.evaluate("document.getElementById('key-field').hidden")

    async def test_failed_generation_keeps_transcript_timings_and_warnings(
        self, page: Page, scripted: ScriptedBridge
    ) -> None:
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
    async def test_time_to_retry_is_shown_once(self, page: Page, scripted: ScriptedBridge, detail: str) -> None:
        scripted.script = Refusal(title="Overloaded", status=503, detail=detail, code="overloaded")
        scripted.retry_after = "4"
        await open_with_voice(page, scripted.url)
        await page.click("#run")
        await page.wait_for(FAILED)

        assert (await page.text("#problem-text")).lower().count("try again in 4 s") == 1

    async def test_answer_that_breaks_off_is_an_error(self, page: Page, scripted: ScriptedBridge) -> None:
        scripted.script = [event("transcript.done", text="He was not", warnings=[]), event("response.delta", text="He")]
        await open_with_voice(page, scripted.url)
        await page.click("#run")
        await page.wait_for(FAILED)

        assert "closed before the answer was complete" in await page.text("#problem")

    async def test_silence_is_an_answer(self, page: Page, scripted: ScriptedBridge) -> None:
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

    async def test_missing_part_is_named_until_it_is_there(self, page: Page, scripted: ScriptedBridge) -> None:
        scripted.components = READY | {"llm": {"ready": False, "detail": "pulling llama3"}}
        await page.open(scripted.url)
        await page.wait_for(BADGES)

        assert "Language model not ready" in await page.text("#components")
        assert "pulling llama3" in await page.text("#components-detail")
        scripted.components = READY
        await page.wait_for("document.getElementById('components').innerText.includes('Language model ready')")

    async def test_keyboard_alone_is_enough(self, page: Page, scripted: ScriptedBridge) -> None:
        scripted.script = [event("transcript.delta", text=" He was not", start=0.0, end=1.5), Until()]
        await page.open(scripted.url)
        await page.wait_for(BADGES)
        reached = []
        for _ in range(8):
            await page.press("Tab", 9)
            reached.append(await page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        assert reached[:6] == ["record", "file", "model", "language", "prompt", "run"]

        await page.drop(VOICE)
        await page.press("Enter", 13, modifiers=CONTROL)
        await page.wait_for(has_text("transcript"))
        await page.press("Escape", 27)
        await page.wait_for("document.body.dataset.state === 'cancelled'")

    async def test_curl_command_survives_a_shell(self, page: Page, scripted: ScriptedBridge) -> None:
        await open_with_voice(page, scripted.url)
        command = await page.evaluate(
            "import('./playground/bridge.js').then(({curlCommand}) => curlCommand("
            """{file: {name: `it's "a;b".wav`}, prompt: "@what's up", model: '', language: ''}))"""
        )
        assert command.splitlines()[1:] == [
            r"  --form-string 'prompt=@what'\''s up' " + "\\",
            r"  --form-string 'stream=true' " + "\\",
            r"""  -F 'file=@"it'\''s \"a;b\".wav"'""",
        ]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    async def test_events_are_read_whole_wherever_the_stream_is_cut(
        self, page: Page, scripted: ScriptedBridge, end: str
    ) -> None:
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

    async def test_recording_from_the_microphone_is_sent(self, page: Page, scripted: ScriptedBridge) -> None:
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
