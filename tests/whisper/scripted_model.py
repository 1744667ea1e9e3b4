"""A stand-in for faster-whisper's `WhisperModel` whose weights say the same about every block."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from faster_whisper import WhisperModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from speechwhisper.audio.decode import Samples

NO_CUBLAS = RuntimeError("Library libcublas.so.12 is not found or cannot be loaded")
"""CTranslate2's words at the first inference on a GPU without CUDA's libraries."""

_SPECIAL = ["endoftext", "startoftranscript", "en", "de", "translate", "transcribe"]
_SPECIAL += ["startoflm", "startofprev", "nospeech", "notimestamps"]
_FIRST_SPECIAL = 50_000
_TIMESTAMP_BEGIN = _FIRST_SPECIAL + len(_SPECIAL)


class WordTokens:
    """A tokenizer as of `tokenizers`, whose tokens are words; new ones are numbered as they appear."""

    def __init__(self) -> None:
        self._words: list[str] = []

    def token_to_id(self, token: str) -> int | None:
        name = token.strip("<|>")
        return _FIRST_SPECIAL + _SPECIAL.index(name) if name in _SPECIAL else None

    def encode(self, text: str, *, add_special_tokens: bool) -> SimpleNamespace:
        assert not add_special_tokens
        found = list(re.finditer(r"\s*\S+", text))
        for word in found:
            if word.group() not in self._words:
                self._words.append(word.group())
        ids = [self._words.index(word.group()) for word in found]
        return SimpleNamespace(ids=ids, offsets=[word.span() for word in found])

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(self._words[token] for token in tokens)


class ScriptedModel:
    """Loads onto a GPU; says one thing until the end of what is loud, and detects German; may fail when it decodes,
    and has memory for so many blocks.

    Attributes:
        heard: The samples of each block, in the order of their features.
        detected_in: The features in which a language was detected, shape (80, frames), each its samples' loudness.
        prompts: Of each decoded block.
        batches: The sizes of the batches it was given.
        arguments: Of the last decoding.
        says: What it says.
        loses_tail: Whether it drops what is said after the first five seconds of a block, as Whisper sometimes does.
    """

    max_length = 448
    get_prompt = WhisperModel.get_prompt

    def __init__(self, error: Exception | None = None, memory: int = 1000) -> None:
        self.supported_languages: tuple[str, ...] = ("en", "de")
        self.hf_tokenizer = WordTokens()
        self.model = SimpleNamespace(
            device="cuda",
            compute_type="float16",
            is_multilingual=True,
            n_mels=80,
            encode=np.array,
            detect_language=self._detect_language,
            generate=self._generate,
        )
        self.heard: list[Samples] = []
        self.detected_in: list[NDArray[np.float32]] = []
        self.prompts: list[list[int]] = []
        self.arguments: dict[str, Any] = {}
        self.says = " Hello."
        self.loses_tail = False
        self.batches: list[int] = []
        self._error = error
        self._memory = memory

    def feature_extractor(self, samples: Samples) -> NDArray[np.float32]:
        self.heard.append(samples)
        loudness = abs(samples[: len(samples) // 160 * 160]).reshape(-1, 160).max(axis=1)
        return np.tile(loudness, (80, 1)).astype(np.float32)

    def tokens(self, text: str) -> list[int]:
        ids: list[int] = self.hf_tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _detect_language(self, encoded: NDArray[np.float32]) -> list[list[tuple[str, float]]]:
        self.detected_in += list(encoded)
        return [[("<|de|>", 0.75), ("<|en|>", 0.25)] for _ in encoded]

    def _generate(
        self, encoded: NDArray[np.float32], prompts: list[list[int]], **arguments: Any
    ) -> list[SimpleNamespace]:
        assert len(encoded) == len(prompts)
        assert len(set(map(len, prompts))) == 1, "CTranslate2 refuses prompts of different lengths"
        if self._error:
            raise self._error
        self.batches.append(len(prompts))
        if len(prompts) > self._memory:
            message = "CUDA failed with error out of memory"
            raise RuntimeError(message)
        self.prompts += prompts
        self.arguments = arguments
        return [SimpleNamespace(sequences_ids=[self._said(row)], scores=[-0.2], no_speech_prob=0.05) for row in encoded]

    def _said(self, features: NDArray[np.float32]) -> list[int]:
        frames = np.flatnonzero(features[0] > 0)  # silence is padded with less
        end = 0.0 if not len(frames) else (frames[-1] + 1) / 100
        if self.loses_tail:
            end = min(end, 5.0)
        return [_TIMESTAMP_BEGIN, *self.tokens(self.says), _TIMESTAMP_BEGIN + round(end * 50)]
