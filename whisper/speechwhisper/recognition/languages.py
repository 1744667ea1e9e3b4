"""The languages that Whisper supports, by code, as named in openai-whisper (`whisper/tokenizer.py`)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TABLE = """
en english, zh chinese, de german, es spanish, ru russian, ko korean, fr french, ja japanese, pt portuguese,
tr turkish, pl polish, ca catalan, nl dutch, ar arabic, sv swedish, it italian, id indonesian, hi hindi, fi finnish,
vi vietnamese, he hebrew, uk ukrainian, el greek, ms malay, cs czech, ro romanian, da danish, hu hungarian, ta tamil,
no norwegian, th thai, ur urdu, hr croatian, bg bulgarian, lt lithuanian, la latin, mi maori, ml malayalam, cy welsh,
sk slovak, te telugu, fa persian, lv latvian, bn bengali, sr serbian, az azerbaijani, sl slovenian, kn kannada,
et estonian, mk macedonian, br breton, eu basque, is icelandic, hy armenian, ne nepali, mn mongolian, bs bosnian,
kk kazakh, sq albanian, sw swahili, gl galician, mr marathi, pa punjabi, si sinhala, km khmer, sn shona, yo yoruba,
so somali, af afrikaans, oc occitan, ka georgian, be belarusian, tg tajik, sd sindhi, gu gujarati, am amharic,
yi yiddish, lo lao, uz uzbek, fo faroese, ht haitian creole, ps pashto, tk turkmen, nn nynorsk, mt maltese,
sa sanskrit, lb luxembourgish, my myanmar, bo tibetan, tl tagalog, mg malagasy, as assamese, tt tatar, haw hawaiian,
ln lingala, ha hausa, ba bashkir, jw javanese, su sundanese, yue cantonese
"""

NAMES: Mapping[str, str] = MappingProxyType(
    {code: name for code, _, name in (entry.strip().partition(" ") for entry in _TABLE.replace("\n", " ").split(","))}
)
"""English names in lower case, by language code."""

_CODES = {name: code for code, name in NAMES.items()}
_SHOWN = 12


def resolve(asked: str, known: Collection[str]) -> str | None:
    """Return the code of the requested language; None means detection.

    Accepted are codes (`en`), names (`English`) and regional codes (`en-US`); `auto` and an empty text mean detection.

    Raises:
        Problem: `unknown_language`, if the model does not support it.
    """
    wish = asked.strip().lower()
    if wish in {"", "auto"}:
        return None
    code = _CODES.get(wish, wish.replace("_", "-").split("-", 1)[0])
    if code in known:
        return code
    listed = sorted(known)
    shown = ", ".join(listed[:_SHOWN]) + (f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else "")
    raise Problem(
        "unknown_language",
        f"The model does not support the language {asked[:40]!r}; it supports {shown}.",
        param="language",
    )
