"""The languages that Whisper supports, and the codes and names by which clients ask for them.

A line of the table has Whisper's code and name (openai/whisper, `whisper/tokenizer.py`: `LANGUAGES`), then other codes
and names. `speechbridge/languages.py` has the same table.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from speechwhisper.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TABLE = """
en: english, eng
zh: chinese, zho, chi, cmn, cn, mandarin
de: german, deu, ger
es: spanish, spa, castilian
ru: russian, rus
ko: korean, kor, kr
fr: french, fra, fre
ja: japanese, jpn, jp
pt: portuguese, por
tr: turkish, tur
pl: polish, pol
ca: catalan, cat, valencian
nl: dutch, nld, dut, flemish
ar: arabic, ara, arb
sv: swedish, swe
it: italian, ita
id: indonesian, ind, in
hi: hindi, hin
fi: finnish, fin
vi: vietnamese, vie, vn
he: hebrew, heb, iw
uk: ukrainian, ukr, ua
el: greek, ell, gre, gr
ms: malay, msa, may, zsm
cs: czech, ces, cze, cz
ro: romanian, ron, rum, mo, mol, moldavian, moldovan
da: danish, dan, dk
hu: hungarian, hun
ta: tamil, tam
no: norwegian, nor, nb, nob, bokmål, bokmal, norwegian bokmål, norwegian bokmal
th: thai, tha
ur: urdu, urd
hr: croatian, hrv, scr
bg: bulgarian, bul
lt: lithuanian, lit
la: latin, lat
mi: maori, mri, mao
ml: malayalam, mal
cy: welsh, cym, wel
sk: slovak, slk, slo
te: telugu, tel
fa: persian, fas, per, pes, prs, farsi
lv: latvian, lav, lvs
bn: bengali, ben, bangla
sr: serbian, srp, scc
az: azerbaijani, aze, azj
sl: slovenian, slv, slovene
kn: kannada, kan
et: estonian, est, ekk
mk: macedonian, mkd, mac
br: breton, bre
eu: basque, eus, baq
is: icelandic, isl, ice
hy: armenian, hye, arm
ne: nepali, nep, npi
mn: mongolian, mon, khk
bs: bosnian, bos
kk: kazakh, kaz
sq: albanian, sqi, alb
sw: swahili, swa, swh
gl: galician, glg
mr: marathi, mar
pa: punjabi, pan, panjabi
si: sinhala, sin, sinhalese
km: khmer, khm
sn: shona, sna
yo: yoruba, yor
so: somali, som
af: afrikaans, afr
oc: occitan, oci
ka: georgian, kat, geo
be: belarusian, bel
tg: tajik, tgk
sd: sindhi, snd
gu: gujarati, guj
am: amharic, amh
yi: yiddish, yid, ydd, ji
lo: lao
uz: uzbek, uzb, uzn
fo: faroese, fao
ht: haitian creole, hat, haitian
ps: pashto, pus, pbt, pushto
tk: turkmen, tuk
nn: nynorsk, nno, norwegian nynorsk
mt: maltese, mlt
sa: sanskrit, san
lb: luxembourgish, ltz, letzeburgesch
my: myanmar, mya, bur, burmese
bo: tibetan, bod, tib
tl: tagalog, tgl, fil, filipino
mg: malagasy, mlg, plt
as: assamese, asm
tt: tatar, tat
haw: hawaiian
ln: lingala, lin
ha: hausa, hau
ba: bashkir, bak
jw: javanese, jav, jv
su: sundanese, sun
yue: cantonese, zh-yue
"""
_ROWS = [tuple(re.split("[:,] ", line)) for line in _TABLE.split("\n") if line]
_SHOWN = 12

NAMES: Mapping[str, str] = MappingProxyType({row[0]: row[1] for row in _ROWS})
"""English names in lower case, by code: how OpenAI's `verbose_json` names a language."""

_CODES: Mapping[str, str] = MappingProxyType({spelling: row[0] for row in _ROWS for spelling in row})
_DETECTION = frozenset({"", "auto", "auto-detect", "detect", "none", "null", "und", "undefined"})
_END_OF_LANGUAGE = re.compile(r"[-_]| \(")  # in regional codes and `Portuguese (Brazil)`


def is_detection(text: str) -> bool:
    """Return whether a value asks for detection: nothing, `auto`, or what programs send for a missing value."""
    return text.strip().lower() in _DETECTION


def code_of(text: str) -> str | None:
    """Return Whisper's code of a language; None if it is unknown.

    Accepted are Whisper's codes, ISO 639-2 and 639-3 codes, codes that ISO 639 has withdrawn (`iw`), some country codes
    that are no language's (`jp`), English names, and all of these with a region or script (`en-US`, `zh_Hans`).
    """
    wish = text.strip().lower()
    return _CODES.get(wish.replace("_", "-")) or _CODES.get(_END_OF_LANGUAGE.split(wish, maxsplit=1)[0])


def resolve(asked: str, known: Collection[str]) -> str | None:
    """Return the code of the requested language; None means detection.

    Raises:
        Problem: `unknown_language`, if the model does not support it.
    """
    if is_detection(asked):
        return None
    code = code_of(asked)
    if code in known:
        return code
    listed = sorted(known)
    shown = ", ".join(listed[:_SHOWN]) + (f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else "")
    raise Problem(
        "unknown_language",
        f"The model does not support the language {asked[:40]!r}; it supports {shown}.",
        param="language",
    )
