"""The playground for everybody: axe's rules, keyboard, screen readers, phones, dark mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from contract.conftest import or_missing
from e2e.playground.using import BADGES, DONE, FAILED, VOICE, ask, complete, open_with_voice
from e2e.playground_bridge import ANSWER, Refusal, ScriptedBridge, Until, event
from speechlocal import client_packages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from e2e.playground_browser import Page

# One browser serves all tests of this module, each in a page of its own: hence one event loop.
pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PHONE, DESKTOP = 360, 1280

# Violations in words, and the number of rules that passed.
AXE = """axe.run(document, { resultTypes: ["violations"] }).then(({ violations, passes }) => ({
    found: violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target} ${node.failureSummary}`)),
    passed: passes.length,
}))"""


async def empty(page: Page, scripted: ScriptedBridge) -> None:
    await page.open(scripted.url)
    await page.wait_for(BADGES)


async def with_result(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)
    await page.click(".snippet summary")


async def running(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = [*complete()[:2], Until()]
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for("document.querySelectorAll('#transcript li').length === 2")


async def refused(page: Page, scripted: ScriptedBridge) -> None:
    scripted.key = "needed"
    scripted.script = Refusal(title="Overloaded", status=503, detail="Too many requests.", code="overloaded")
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for(FAILED)


async def about_to_delete(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = complete()
    await ask(page, scripted.url)
    await page.click("#clear-history")


STATES: list[Callable[[Page, ScriptedBridge], Awaitable[None]]] = [
    empty,
    with_result,
    running,
    refused,
    about_to_delete,
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def axe() -> str:
    """The source of axe-core."""
    with or_missing("axe-core"):
        return (client_packages.node_modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
async def test_axe_finds_nothing(
    page: Page,
    scripted: ScriptedBridge,
    axe: str,
    *,
    state: Callable[[Page, ScriptedBridge], Awaitable[None]],
    scheme: str,
    width: int,
) -> None:
    await page.look_like(width=width, scheme=scheme)
    await state(page, scripted)
    await page.evaluate(f"{axe}; 0")

    result = await page.evaluate(AXE)

    assert result["found"] == []
    assert result["passed"] > 10


@pytest.mark.parametrize("state", STATES[:3], ids=lambda state: state.__name__)
async def test_phones_scroll_in_one_direction_only(
    page: Page, scripted: ScriptedBridge, state: Callable[[Page, ScriptedBridge], Awaitable[None]]
) -> None:
    await page.look_like(width=PHONE)
    await state(page, scripted)

    assert await page.evaluate("document.documentElement.scrollWidth") == PHONE


async def test_the_theme_follows_the_system_until_one_is_chosen(page: Page, scripted: ScriptedBridge) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    await page.look_like(width=DESKTOP, scheme="dark")
    await page.open(scripted.url)
    dark = await page.evaluate(background)
    await page.click("#theme input[value=light]")
    light = await page.evaluate(background)
    await page.open(scripted.url)

    assert light != dark
    assert await page.evaluate(background) == light
    assert await page.evaluate("document.querySelector('#theme input:checked').value") == "light"


async def test_every_stop_of_the_keyboard_has_a_visible_focus(page: Page, scripted: ScriptedBridge) -> None:
    await with_result(page, scripted)
    await page.evaluate("document.activeElement.blur()")
    outlined = (
        "[document.activeElement, document.activeElement.nextElementSibling].some((node) =>"
        " node && getComputedStyle(node).outlineStyle !== 'none')"
    )
    for _ in range(30):
        await page.press("Tab", 9)
        if await page.evaluate("document.activeElement.matches('body, audio')"):
            continue  # from the last stop back to the first; Chromium's own controls draw their focus out of reach
        assert await page.evaluate(outlined), await page.evaluate("document.activeElement.outerHTML")


@pytest.mark.parametrize("reader", ["#transcript", ".snippet summary"])
async def test_the_end_of_a_request_leaves_the_focus_where_it_is(
    page: Page, scripted: ScriptedBridge, reader: str
) -> None:
    rest = Until()
    script = complete()
    scripted.script = [*script[:2], rest, *script[2:]]
    await open_with_voice(page, scripted.url)
    await page.click("#run")
    await page.wait_for("document.querySelectorAll('#transcript li').length === 2")
    await page.evaluate(f"document.querySelector('{reader}').focus()")
    rest.set()
    await page.wait_for(DONE)

    assert await page.evaluate(f"document.activeElement.matches('{reader}')")


async def test_the_focus_returns_from_cancel_to_run(page: Page, scripted: ScriptedBridge) -> None:
    await running(page, scripted)
    assert await page.evaluate("document.activeElement.id") == "cancel"
    await page.click("#cancel")
    await page.wait_for("document.body.dataset.state === 'cancelled'")

    assert await page.evaluate("document.activeElement.id") == "run"


async def test_the_transcript_has_its_language_and_its_direction(page: Page, scripted: ScriptedBridge) -> None:
    arabic = "\N{ARABIC LETTER MEEM}\N{ARABIC LETTER REH}\N{ARABIC LETTER HAH}\N{ARABIC LETTER BEH}"
    scripted.script = [
        event("response.done", **(ANSWER | {"transcription": arabic, "response": arabic, "language": "ar"}))
    ]
    await ask(page, scripted.url)

    assert await page.evaluate("document.getElementById('transcript').lang") == "ar"
    for words in ("#transcript .words", "#answer"):
        assert await page.evaluate(f"getComputedStyle(document.querySelector('{words}')).direction") == "rtl"
    assert await page.evaluate("getComputedStyle(document.getElementById('transcript')).direction") == "ltr"


async def test_a_translation_is_in_english(page: Page, scripted: ScriptedBridge) -> None:
    scripted.script = [event("response.done", **(ANSWER | {"language": "fr"}))]
    await open_with_voice(page, scripted.url)
    await page.click("#translate")
    await page.click("#run")
    await page.wait_for(DONE)

    assert await page.evaluate("document.getElementById('transcript').lang") == "en"


async def test_badges_fit_on_one_line_of_a_phone(page: Page, scripted: ScriptedBridge) -> None:
    await page.look_like(width=PHONE)
    await empty(page, scripted)

    tops = "[...document.querySelectorAll('#components li')].map((badge) => badge.offsetTop)"
    assert len(set(await page.evaluate(tops))) == 1


async def test_screen_readers_hear_sentences_not_tokens(page: Page, scripted: ScriptedBridge) -> None:
    await page.open(scripted.url)
    await page.evaluate(
        "window.said = []; new MutationObserver((changes) => changes.forEach(({ addedNodes }) =>"
        " addedNodes.forEach((node) => window.said.push(node.textContent))))"
        ".observe(document.getElementById('spoken'), { childList: true })"
    )
    tokens = ["He ", "meant ", "well. ", "She ", "did ", "not."]
    script = complete("".join(tokens))
    scripted.script = [*script[:4], *(event("response.delta", text=token) for token in tokens), script[-1]]
    await page.wait_for(BADGES)
    await page.drop(VOICE)
    await page.click("#run")
    await page.wait_for(DONE)

    assert await page.evaluate("window.said") == ["He meant well.", "She did not."]


async def test_motion_is_reduced_on_request(page: Page, scripted: ScriptedBridge) -> None:
    reduce = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    await page.send("Emulation.setEmulatedMedia", features=reduce)
    await running(page, scripted)

    animated = "[...document.querySelectorAll('*')].filter((node) => getComputedStyle(node).animationName !== 'none')"
    assert await page.evaluate(f"{animated}.length") == 0
