"""The options of one transcription."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["transcribe", "translate"]

TEMPERATURE_STEP = 0.2
"""Whisper retries this much hotter when an attempt fails its checks (openai-whisper, `transcribe.py`)."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one transcription.

    Attributes:
        audio_track: Number of the file's audio track, 0-based; None for the best one.
        separate_channels: Whether each channel is transcribed by itself; otherwise they are mixed.
        language: A code that the model knows; None detects the language.
        hotwords: Names and terms, presented before every window of 30 s; those in the first 223 tokens.
        prompt: Text that precedes the audio, such as names and spelling; Whisper uses its last 223 tokens,
            or what hotwords leave of them.
        temperatures: Tried in turn, each after the previous attempt failed.
        word_timestamps: Whether segments have words with times.
        vad_filter: Whether all pauses are removed before decoding.
    """

    task: Task = "transcribe"
    audio_track: int | None = None
    separate_channels: bool = False
    language: str | None = None
    hotwords: str | None = None
    prompt: str | None = None
    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    word_timestamps: bool = False
    vad_filter: bool = False
