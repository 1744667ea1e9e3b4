"""A transcript in the formats of files, byte for byte as the bridge renders them.

They are rendered here because of the answers of the bridge only its JSON has the warnings.
"""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
"""A `verbose_json` of the bridge."""


def srt(document: Document) -> str:
    """Return SubRip subtitles."""
    cues = (
        f"{number}\n{_time(segment['start'], ',')} --> {_time(segment['end'], ',')}\n{_cue_text(segment)}\n\n"
        for number, segment in enumerate(document["segments"], 1)
    )
    return "".join(cues)


def vtt(document: Document) -> str:
    """Return WebVTT subtitles."""
    cues = (
        f"{_time(segment['start'], '.')} --> {_time(segment['end'], '.')}\n{_cue_text(segment)}\n\n"
        for segment in document["segments"]
    )
    return "WEBVTT\n\n" + "".join(cues)


def text(document: Document) -> str:
    """Return the text, as one line."""
    return f"{document['text']}\n"


RENDERERS = {"srt": srt, "vtt": vtt, "txt": text}
"""Endings of files that the bridge's JSON is rendered for."""
ENDINGS = ("srt", "vtt", "json", "txt")
"""Endings of files; one in `json` is the bridge's JSON as it is."""


def _cue_text(segment: Document) -> str:
    return str(segment["text"]).strip().replace("-->", "->")


def _time(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
