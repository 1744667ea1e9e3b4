"""A transcript as txt, srt, vtt, tsv or json: pure functions.

The text formats are those of whisper-asr-webservice 1.10, which follow openai-whisper's (`whisper/utils.py`).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from speechwhisper.api import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from speechwhisper.recognition.transcript import Segment, Transcript


def clock(seconds: float, *, hours: bool, point: str) -> str:
    """Return seconds as `[HH:]MM:SS<point>mmm`; hours are included if requested or not 0."""
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hour, minutes = divmod(minutes, 60)
    head = f"{hour:02d}:" if hours or hour else ""
    return f"{head}{minutes:02d}:{milliseconds // 1000:02d}{point}{milliseconds % 1000:03d}"


def _cue(text: str) -> str:
    # In SRT and WebVTT, `-->` marks a timing line.
    return text.strip().replace("-->", "->")


def _voice(segment: Segment) -> str:
    # WebVTT, section 5.1: the voice span, which players show or style.
    return "" if segment.speaker is None else f"<v {segment.speaker}>"


def _cells(segment: Segment) -> str:
    cells = [round(1000 * segment.start), round(1000 * segment.end), segment.text.strip().replace("\t", " ")]
    return "\t".join(str(cell) for cell in (*cells, *([] if segment.channel is None else [segment.channel])))


def txt(transcript: Transcript) -> str:
    """Return one line per segment, which starts with its channel if they are separate."""
    return "".join(f"{segment.passage.strip()}\n" for segment in transcript.segments)


def srt(transcript: Transcript) -> str:
    """Return SubRip subtitles: numbered cues, comma before the milliseconds."""
    return "".join(
        f"{number}\n{clock(segment.start, hours=True, point=',')} --> {clock(segment.end, hours=True, point=',')}\n"
        f"{_cue(segment.passage)}\n\n"
        for number, segment in enumerate(transcript.segments, start=1)
    )


def vtt(transcript: Transcript) -> str:
    """Return WebVTT subtitles; without speech, only the header."""
    return "WEBVTT\n\n" + "".join(
        f"{clock(segment.start, hours=False, point='.')} --> {clock(segment.end, hours=False, point='.')}\n"
        f"{_voice(segment)}{_cue(segment.text)}\n\n"
        for segment in transcript.segments
    )


def tsv(transcript: Transcript) -> str:
    """Return tab-separated lines: start and end in whole milliseconds, text; and the channel if they are separate."""
    separate = any(segment.channel is not None for segment in transcript.segments)
    head = "start\tend\ttext\tchannel\n" if separate else "start\tend\ttext\n"
    return head + "".join(f"{_cells(segment)}\n" for segment in transcript.segments)


def asr_json(transcript: Transcript) -> str:
    """Return the JSON of `/asr`: text, segments, language, durations, coverage and warnings."""
    return json_text.encode(
        {
            "text": transcript.text,
            "segments": [segment.to_json() for segment in transcript.segments],
            **transcript.to_json(),
        }
    )


def plain(transcript: Transcript) -> str:
    """Return OpenAI's `text` format: the text on one line, unless the channels are separate."""
    return f"{transcript.text}\n"


ASR_FORMATS: Mapping[str, Callable[[Transcript], str]] = MappingProxyType(
    {"txt": txt, "json": asr_json, "vtt": vtt, "srt": srt, "tsv": tsv}
)
"""Values of the query parameter `output` of `/asr`."""
