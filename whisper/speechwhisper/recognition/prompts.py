"""Fits hotwords and prompt into the tokens that Whisper reserves for the text before the audio: pure functions.

faster-whisper 1.2.1 puts the hotwords before the prompt or the previous text, and limits each to 223 tokens. Together
they could fill all 448 tokens of the decoder, and leave none for the transcript.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Tokenize = Callable[[str], Sequence[tuple[int, int]]]

PROMPT_TOKENS = 223
"""Half of the decoder's tokens, without the one that begins the prompt (openai-whisper, `decoding.py`)."""

_WHOLE_TERMS = re.compile(r".*[\s,;、，；]", re.DOTALL)  # noqa: RUF001 - separators of Chinese and Japanese lists


def fit(hotwords: str | None, prompt: str | None, tokenize: Tokenize) -> tuple[str | None, str | None]:
    """Return hotwords and prompt that fit together: the first hotwords, and the end of the prompt in what they leave.

    Args:
        hotwords: Names and terms, or None.
        prompt: Text before the audio, or None; returned unchanged if there are no hotwords.
        tokenize: Returns start and end of each token in a text, in characters.
    """
    if not hotwords:
        return None, prompt
    tokens = tokenize(hotwords)
    if len(tokens) > PROMPT_TOKENS:
        begun = hotwords[: tokens[PROMPT_TOKENS][0]]
        whole = _WHOLE_TERMS.match(begun)
        hotwords = (whole[0] if whole else begun).rstrip(" \t\r\n,;、，；")  # noqa: RUF001 - see above
    left = max(0, PROMPT_TOKENS - len(tokens))
    return hotwords, _end(prompt, left, tokenize) if prompt and left else None


def _end(prompt: str, limit: int, tokenize: Tokenize) -> str:
    tokens = tokenize(prompt)
    return prompt if len(tokens) <= limit else prompt[tokens[-limit][0] :].lstrip()
