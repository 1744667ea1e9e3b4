"""Recordings in the messages of a chat: finds them, decodes them, and replaces them by their transcripts."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from speechbridge.audio.port import AudioBytes
from speechbridge.errors import Problem
from speechbridge.generators.prompt import GUARD
from speechbridge.off_loop import STEP_BYTES, off_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    Message = dict[str, Any]
    Part = Mapping[str, Any]

MAX_RECORDINGS = 16
"""Recordings in one request: they are transcribed one after the other."""
_SYSTEM_ROLES = ("system", "developer")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"
_QUANTUM = 4  # characters of base64 for three bytes
_MEDIA = ("audio/", "video/")
_AUDIO_ENDINGS = tuple(
    f".{ending}"
    for ending in (
        *("aac", "aif", "aiff", "amr", "flac", "m4a", "mkv", "mov", "mp3", "mp4", "mpeg", "mpga"),
        *("oga", "ogg", "opus", "wav", "webm", "wma"),
    )
)
_MAX_ENDING_CHARS = 20


def has_recordings(messages: list[Message]) -> bool:
    """Return whether the messages have a recording."""
    return any(_is_recording(part) for message in messages for part in _parts(message))


async def without_recordings(
    messages: list[Message],
    check: Callable[[list[AudioBytes]], None],
    transcribe: Callable[[AudioBytes], Awaitable[str]],
) -> list[Message]:
    """Return the messages with each recording replaced by text.

    If there are recordings, the system message explains the delimiters; it is added if there is none.

    Args:
        messages: The messages.
        check: Rejects the recordings together, before one of them is transcribed.
        transcribe: Returns the text for one of them: its transcript, delimited as data.

    Raises:
        Problem: A recording is invalid, or there are too many.
    """
    count = sum(_is_recording(part) for message in messages for part in _parts(message))
    if not count:
        return messages
    if count > MAX_RECORDINGS:
        raise _invalid(f"The messages have {count} recordings; at most {MAX_RECORDINGS} are allowed.")
    size = sum(_size(part) for message in messages for part in _parts(message))
    decoded = await off_loop(size, _all_decoded, messages)
    check([audio for recordings in decoded for audio in recordings if audio is not None])
    replaced = []
    for message, recordings in zip(messages, decoded, strict=True):
        parts = [
            part if audio is None else {"type": "text", "text": await transcribe(audio)}
            for part, audio in zip(_parts(message), recordings, strict=True)
        ]
        replaced.append(_with_content(message, parts) if any(recordings) else message)
    return _guarded(replaced)


def _all_decoded(messages: list[Message]) -> list[list[AudioBytes | None]]:
    """Return the recordings in the parts of each message, None for other parts; raises Problem."""
    return [[_decoded(part) for part in _parts(message)] for message in messages]


def _size(part: Part) -> int:
    """Return about how many characters a recording has."""
    value = part.get(part["type"]) if _is_recording(part) else None
    texts = value.values() if isinstance(value, dict) else [value]
    return sum(len(text) for text in texts if isinstance(text, str))


def _parts(message: Message) -> list[Any]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _with_content(message: Message, parts: list[Any]) -> Message:
    """Return the message with these parts: as one text if possible, since not all chat templates know lists."""
    if all(part["type"] == "text" for part in parts):
        return {**message, "content": "\n\n".join(str(part.get("text", "")) for part in parts)}
    return {**message, "content": parts}


def _guarded(messages: list[Message]) -> list[Message]:
    first, *others = messages
    if first["role"] not in _SYSTEM_ROLES:
        return [{"role": "system", "content": GUARD}, *messages]
    content = first.get("content")
    if isinstance(content, list):
        return [{**first, "content": [{"type": "text", "text": GUARD}, *content]}, *others]
    return [{**first, "content": f"{GUARD}\n\n{content}" if content else GUARD}, *others]


def _is_recording(part: Part) -> bool:
    kind = part["type"]
    return kind in {"input_audio", "audio_url"} or (kind == "file" and _is_audio_file(part.get("file")))


def _is_audio_file(file: object) -> bool:
    """Return whether a `file` part has audio; others, such as PDFs, are left to the model server."""
    if not isinstance(file, dict) or not isinstance(file.get("file_data"), str):
        return False
    media_type, data = _data_uri(file["file_data"])
    if data is not None:
        return media_type.startswith(_MEDIA)
    return str(file.get("filename")).lower().endswith(_AUDIO_ENDINGS)


def _decoded(part: Part) -> AudioBytes | None:
    """Return the recording in a part, None if it has none; raises Problem."""
    if not _is_recording(part):
        return None
    kind = part["type"]
    value = part.get(kind)
    if kind == "audio_url":
        url = value.get("url") if isinstance(value, dict) else value
        if not isinstance(url, str) or _data_uri(url)[1] is None:
            raise _invalid("The audio_url part requires a data: URI; the bridge fetches no URLs.")
        return AudioBytes(_bytes_in(url, kind), "audio.bin", "application/octet-stream")
    member = "data" if kind == "input_audio" else "file_data"
    if not isinstance(value, dict) or not isinstance(value.get(member), str):
        raise _invalid(f"The {kind} part requires '{member}': the recording in base64.")
    ending = value.get("format")
    if not isinstance(ending, str | None):
        raise _invalid(f"The format of the {kind} part must be a string, such as wav.")
    return AudioBytes(
        _bytes_in(value[member], kind), f"audio.{(ending or 'bin')[:_MAX_ENDING_CHARS]}", "application/octet-stream"
    )


def _bytes_in(text: str, kind: str) -> bytes:
    """Decode base64, or a data URI of it: of any alphabet, with or without line breaks and padding."""
    media_type, in_uri = _data_uri(text)
    if in_uri is not None:
        if not media_type.endswith(";base64"):
            raise _invalid(f"The data URI of the {kind} part must be in base64.")
        text = unquote(in_uri) if "%" in in_uri else in_uri
    try:
        data = b"".join(_pieces_of(text))
    except ValueError:  # also binascii.Error and UnicodeEncodeError
        raise _invalid(f"The data of the {kind} part is not valid base64.") from None
    if not data:
        raise Problem("empty_file", f"The data of the {kind} part is empty.", param="messages")
    return data


def _pieces_of(text: str) -> Iterator[bytes]:
    """Yield decoded base64 in pieces, between which other threads get a turn; raises ValueError."""
    text = text.rstrip("= \t\r\n")
    rest = b""
    for at in range(0, len(text), STEP_BYTES):
        plain = rest + text[at : at + STEP_BYTES].encode("ascii").translate(_STANDARD, _SPACE)
        if b"=" in plain:
            message = "padding that is not at the end"
            raise ValueError(message)
        whole = len(plain) - len(plain) % _QUANTUM
        yield binascii.a2b_base64(plain[:whole], strict_mode=True)
        rest = plain[whole:]
    if rest:
        yield binascii.a2b_base64(rest.ljust(_QUANTUM, b"="), strict_mode=True)


def _data_uri(text: str) -> tuple[str, str | None]:
    """Return media type and parameters of a data URI, lower-case, and its data; None if the text is none."""
    if text[:5].lower() != "data:":
        return "", None
    media_type, comma, data = text[5:].partition(",")
    return media_type.lower(), data if comma else None


def _invalid(detail: str) -> Problem:
    return Problem("bad_field", detail, param="messages")
