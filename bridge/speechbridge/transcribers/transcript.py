"""What a transcriber returns: segments and the transcript, parsed from `verbose_json`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from speechbridge import languages
from speechbridge.transcribers.coverage import coverage_from, warnings_from
from speechbridge.upstreams.failures import FailureKind, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Iterable

_CODE = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of speech; times in seconds. The fields are those of OpenAI's verbose_json, except `channel`.

    Each of the `words` has `word`, `start` and `end`; those without times are not among them.

    Attributes:
        channel: Number of the audio channel, from 0; None if the channels are mixed.
    """

    id: int
    start: float
    end: float
    text: str
    seek: int = 0
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0
    words: tuple[dict[str, Any], ...] = ()
    channel: int | None = None

    @property
    def speaker(self) -> str | None:
        """The name of its channel in text; None if the channels are mixed."""
        return None if self.channel is None else f"Channel {self.channel}"

    @property
    def passage(self) -> str:
        """Its text within the whole text; with separate channels, a line that starts with `[Channel 0]: `."""
        return self.text if self.speaker is None else f"[{self.speaker}]: {self.text.strip()}\n"


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said.

    Attributes:
        language: The code of the language, if Whisper reports it.
        duration: Of the audio in seconds, if Whisper reports it or the segments imply it.
        coverage: How much of the audio was transcribed, if Whisper reports it.
        warnings: Of Whisper, each with `code` and `message`.
    """

    text: str
    language: str | None
    duration: float | None
    segments: tuple[Segment, ...] = ()
    coverage: dict[str, Any] | None = None
    warnings: tuple[dict[str, str], ...] = ()

    def with_channels_checked(self) -> Transcript:
        """Return it with a warning if its channels were requested separately, but the Whisper server mixed them."""
        if all(segment.channel is not None for segment in self.segments):
            return self
        message = "The Whisper server does not support channels=separate: the channels were mixed."
        return replace(self, warnings=(*self.warnings, {"code": "channels_mixed", "message": message}))


def transcript_from(answer: Any, segments: tuple[Segment, ...] = ()) -> Transcript:
    """Parse a transcript in the JSON of either protocol: `segments` without a `text` are joined.

    Args:
        answer: The JSON.
        segments: Those that arrived before, instead of those in `answer`.

    Raises:
        UpstreamError: `bad_answer`.
    """
    if not isinstance(answer, dict) or not (segments or "text" in answer or "segments" in answer):
        raise UpstreamError(FailureKind.BAD_ANSWER, "Whisper's response has neither text nor segments")
    if not segments:
        raw = answer.get("segments") or []
        if not isinstance(raw, list):
            raise UpstreamError(FailureKind.BAD_ANSWER, "Whisper's segments are not a list")
        segments = tuple([segment_from(item, index) for index, item in enumerate(raw)])
    segments = _with_words(segments, answer.get("words"))
    text = answer.get("text")
    if not isinstance(text, str):
        text = "".join(segment.passage for segment in segments)
    duration = answer.get("duration")
    if not _is_finite(duration):
        duration = max((segment.end for segment in segments), default=None)
    return Transcript(
        text.strip(),
        _language_code(answer.get("language")),
        duration,
        segments,
        coverage_from(answer),
        warnings_from(answer),
    )


def in_order(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Return segments in the order in which they were said: those of separate channels may arrive in another."""
    return tuple(sorted(segments, key=attrgetter("start")))


def segment_from(item: Any, index: int) -> Segment:
    """Parse a segment; members that the pod omits get OpenAI's neutral values.

    Raises:
        UpstreamError: `bad_answer`.
    """
    try:
        return Segment(
            id=int(item.get("id", index)),
            start=_seconds(item["start"]),
            end=_seconds(item["end"]),
            text=str(item["text"]),
            seek=int(item.get("seek", 0)),
            tokens=tuple(map(int, item.get("tokens") or ())),
            temperature=_measure(item.get("temperature")),
            avg_logprob=_measure(item.get("avg_logprob")),
            compression_ratio=_measure(item.get("compression_ratio")),
            no_speech_prob=_measure(item.get("no_speech_prob")),
            words=_timed_words(words) if (words := item.get("words")) else (),
            channel=None if item.get("channel") is None else int(item["channel"]),
        )
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
        raise UpstreamError(FailureKind.BAD_ANSWER, "one of Whisper's segments is invalid") from None


def _seconds(value: Any) -> float:
    """Return a time in seconds; Python's JSON parser accepts NaN and infinity, which are rejected (ValueError)."""
    seconds = float(value)
    if not math.isfinite(seconds):
        message = "a time must be finite"
        raise ValueError(message)
    return seconds


def _language_code(language: Any) -> str | None:
    """Return the code of a language reported by code or, as OpenAI does, by name; a code unknown here is kept."""
    if not isinstance(language, str):
        return None
    return languages.code_of(language) or (language if _CODE.fullmatch(language) else None)


def _measure(value: Any) -> float:
    """Return a measure of quality, 0 if Whisper has none or it is not finite: JSON has no NaN."""
    number = float(value or 0)
    return number if math.isfinite(number) else 0.0


def _timed_words(words: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    """Return the words as verbose_json has them, except those that whisperx could not align, such as numbers."""
    return tuple(
        {"word": str(word["word"]).strip(), "start": word["start"], "end": word["end"]}
        for word in words
        if "word" in word and _is_finite(word.get("start")) and _is_finite(word.get("end"))
    )


def _is_finite(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def _with_words(segments: tuple[Segment, ...], words: Any) -> tuple[Segment, ...]:
    """Assign words listed beside the segments (OpenAI's form) to the segments in which they were said."""
    if not isinstance(words, list) or not segments or any(segment.words for segment in segments):
        return segments
    kept = _timed_words(word for word in words if isinstance(word, dict))
    bounds = [segment.start for segment in segments[1:]] + [float("inf")]
    assigned, at = [], 0
    for segment, bound in zip(segments, bounds, strict=True):
        begin = at
        while at < len(kept) and kept[at]["start"] < bound:
            at += 1
        assigned.append(replace(segment, words=kept[begin:at]))
    return tuple(assigned)
