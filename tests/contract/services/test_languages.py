"""Both HTTP services understand the same codes and names of languages, though they share no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import speechbridge.languages
import speechwhisper.recognition.languages

if TYPE_CHECKING:
    from types import ModuleType

pytestmark = pytest.mark.unit

SERVICES = [speechbridge.languages, speechwhisper.recognition.languages]

CODES = {
    "en": "en EN English english en-US en_US en-GB eng en-Latn-US en_GB.UTF-8",
    "de": "de German de-AT de_CH deu ger",
    "pt": "pt pt_BR pt-PT por",
    "zh": "zh zh-CN zh-Hans zh_Hant_TW cmn zho chi Mandarin",
    "yue": "yue zh-yue Cantonese",
    "he": "he iw heb",
    "jw": "jw jv jav Javanese",
    "id": "id in ind",
    "yi": "yi ji yid",
    "no": "no nb nb-NO nob nor Norwegian Bokmål",
    "nn": "nn nn-NO nno",
    "tl": "tl fil fil-PH tgl Filipino",
    "ja": "ja jp jpn ja-JP",
    "fa": "fa fas per Farsi",
    "ht": "ht hat Haitian",
}


@pytest.fixture(params=SERVICES, ids=["bridge", "whisper"])
def languages(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def test_the_tables_are_the_same() -> None:
    bridge, whisper = SERVICES

    assert bridge._TABLE == whisper._TABLE


def test_every_name_and_code_belongs_to_one_language(languages: ModuleType) -> None:
    spellings = [spelling for row in languages._ROWS for spelling in row]

    assert len(spellings) == len(set(spellings))
    assert all(languages.code_of(name) == code for code, name in languages.NAMES.items())


@pytest.mark.parametrize("code", CODES)
def test_codes_names_and_regions_are_understood(languages: ModuleType, code: str) -> None:
    assert {languages.code_of(spelling) for spelling in CODES[code].split()} - {code} == set()


@pytest.mark.parametrize("spelling", ["Haitian Creole", " en ", "Portuguese (Brazil)", "norwegian bokmål"])
def test_names_may_have_several_words(languages: ModuleType, spelling: str) -> None:
    assert languages.code_of(spelling) in {"ht", "en", "pt", "no"}


@pytest.mark.parametrize("text", ["klingon", "xx", "english please", "en,de", "x" * 10_000, "日本"])
def test_anything_else_is_unknown(languages: ModuleType, text: str) -> None:
    assert languages.code_of(text) is None
    assert not languages.is_detection(text)


@pytest.mark.parametrize("text", ["", "  ", "auto", "Auto", "null", "None", "undefined", "und"])
def test_nothing_auto_and_what_programs_send_for_nothing_mean_detection(languages: ModuleType, text: str) -> None:
    assert languages.is_detection(text)
