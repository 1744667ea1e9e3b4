"""The names by which clients ask for the Whisper model: its own, OpenAI's, and those that the settings add.

Many clients have a name of OpenAI's built in. `speechwhisper/intake/speech_models.py` accepts the same names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ANY = "*"
"""An alias that stands for all names."""

# https://developers.openai.com/api/docs/models, without gpt-4o-transcribe-diarize: Whisper cannot tell speakers apart
_OF_OPENAI = re.compile(r"whisper(-1)?|gpt-(4o-(mini-)?)?transcribe(-\d{4}-\d\d-\d\d)?")
_NOT_DISTINCTIVE = frozenset({"faster", "whisper"})
_LATEST = {"large": "large-v3", "turbo": "large-v3-turbo"}  # as in faster-whisper 1.2


def is_served(name: str, served: Iterable[str]) -> bool:
    """Return whether a name means the model, in any letter case.

    Args:
        name: As sent, such as `whisper-1`, `small` or `Systran/faster-whisper-small`.
        served: The names and aliases of the model; `*` for any name.
    """
    weights = _weights(name)
    return _OF_OPENAI.fullmatch(_last(name)) is not None or any(
        one == ANY or _weights(one) == weights for one in served
    )


def _last(name: str) -> str:
    """Return the last path element of a folder or a hub name, in lower case."""
    return name.strip().rstrip("/").rsplit("/", 1)[-1].lower()


def _weights(name: str) -> str:
    """Return what distinguishes weights: `small` of `Systran/faster-whisper-small` and `openai/whisper-small`."""
    last = _last(name)
    size = "-".join(word for word in last.split("-") if word not in _NOT_DISTINCTIVE)
    return _LATEST.get(size, size) or last
