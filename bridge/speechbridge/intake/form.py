"""Reads a multipart form with one audio file as it arrives: its text fields, and its audio in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from speechbridge.audio.ends import Ends
from speechbridge.errors import Problem
from speechbridge.intake import fields
from speechbridge.intake.multipart import Limits, MultipartError, MultipartParser, PartBegin, PartEnd, boundary_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechbridge.intake.body import Body

FORM = "multipart/form-data"
FILE_FIELDS = frozenset({"file", "audio_file"})
_FORM_OVERHEAD_BYTES = 2**20  # of a form beside its audio, when its declared length is checked
_MAX_MEDIA_TYPE_CHARS = 80
_MAX_NAME_CHARS = 80
_PART_LIMITS = Limits()
_RECORDINGS = frozenset({"application/octet-stream", "application/ogg", "application/mp4"})


@dataclass(frozen=True)
class FormLimits:
    """Sizes in bytes: the audio, and each text field."""

    max_bytes: int
    max_field_bytes: int

    @cached_property
    def max_fields_bytes(self) -> int:
        """The maximum of all text fields together."""
        return 2 * self.max_field_bytes


def check_form(headers: Mapping[str, str], limits: FormLimits) -> str:
    """Return the media type of a form or a recording; reject a request by its headers, before its body is read.

    Raises:
        Problem: `unsupported_media_type`, or `upload_too_large`.
    """
    # Not aiohttp's `content_type`: it parses with the email package, which creates three classes per new header value,
    # and every form has its own boundary.
    media_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != FORM and not _is_recording(media_type):
        sent = f"the request is {media_type[:_MAX_MEDIA_TYPE_CHARS]}" if media_type else "no Content-Type was sent"
        raise Problem(
            "unsupported_media_type",
            "Send the recording as multipart/form-data, in the field 'file', or alone with its type, such as "
            f"audio/wav; {sent}.",
        )
    if int(headers.get("Content-Length", 0)) > limits.max_bytes + _FORM_OVERHEAD_BYTES:
        raise too_large(limits)
    return media_type


def _is_recording(media_type: str) -> bool:
    return media_type.startswith(("audio/", "video/")) or media_type in _RECORDINGS


class Form:
    """A form that is read as it arrives.

    Attributes:
        fields: The text fields received so far, each with all its values.
        filename: The name of the audio file, as sent; may be empty.
        content_type: The type of the audio file, as sent; may be empty.
        ends: The first and the last bytes of the audio received so far.
        received: Bytes of audio received so far.
        audio_started: Whether the part with the audio has begun.
        audio_complete: Whether all audio has been received.
        complete: Whether the whole form has been received.
    """

    def __init__(self, body: Body, content_type: str, limits: FormLimits) -> None:
        self.fields: dict[str, list[str]] = {}
        self.filename = ""
        self.content_type = ""
        self.ends = Ends()
        self.received = 0
        self.audio_started = False
        self.audio_complete = False
        self.complete = False
        self._body = body
        self._limits = limits
        try:
            self._parser = MultipartParser(boundary_of(content_type), _PART_LIMITS)
        except MultipartError as error:
            raise _malformed(error) from None
        self._part: PartBegin | None = None
        self._in_audio = False
        self._in_field = False
        self._other_file: str | None = None
        self._text = bytearray()
        self._fields_size = 0

    async def read(self, timeout: float | None = None) -> list[bytes]:  # noqa: ASYNC109 - as in `Body.read`
        """Read what arrives next; return the audio in it.

        Args:
            timeout: Seconds to wait instead of the stall timeout.

        Raises:
            TimeoutError: Nothing arrived within `timeout`.
            Problem: The form is invalid or too large, or its sender is too slow.
        """
        data = await self._body.read(timeout)
        if self._body.received > self._limits.max_bytes + _FORM_OVERHEAD_BYTES:
            raise too_large(self._limits)
        try:
            if self._body.at_end and self._body.received == len(data):
                audio = self._audio_in(self._parser.feed_whole(data))
                self.audio_complete = self.complete = True
                return audio
            audio = self._audio_in(self._parser.feed(data)) if data else []
            if self._body.at_end:
                self._parser.finish()
                self.audio_complete = self.complete = True
        except MultipartError as error:
            raise _malformed(error) from None
        return audio

    async def read_to_audio(self) -> list[bytes]:
        """Read until the audio begins; return its first chunks.

        Raises:
            Problem: `no_file`, or as `read` does.
        """
        chunks: list[bytes] = []
        while not self.audio_started:
            if self.complete:
                raise self._no_file()
            chunks = await self.read()
        return chunks

    async def read_rest(self) -> None:
        """Read the fields after the audio.

        Raises:
            Problem: `empty_file`, or as `read` does.
        """
        while not self.complete:
            await self.read()
        if not self.received:
            raise Problem("empty_file", "The file is empty: record or choose another one.", param="file")

    def _audio_in(self, events: list[PartBegin | bytes | PartEnd]) -> list[bytes]:
        audio: list[bytes] = []
        for event in events:
            if isinstance(event, bytes):
                if self._in_audio:
                    audio.append(event)
                elif self._in_field:
                    self._add_text(event)
            elif isinstance(event, PartBegin):
                self._begin(event)
            else:
                self._end()
        if audio:
            self.received += sum(map(len, audio))
            if self.received > self._limits.max_bytes:
                raise too_large(self._limits)
            self.ends.add(audio)
        return audio

    def _begin(self, part: PartBegin) -> None:
        self._part = part
        # Programs send a file name with the text fields too, such as browsers with each `Blob`. What no route reads is
        # skipped.
        self._in_field = fields.is_option(part.name)
        if part.name in FILE_FIELDS:
            if self.audio_started:
                raise Problem("bad_field", "The form has more than one file; send one recording.", param=part.name)
            self.audio_started = self._in_audio = True
            self.filename = part.filename or ""
            self.content_type = part.content_type or ""
        elif part.filename is not None and not self._in_field:
            self._other_file = part.name

    def _no_file(self) -> Problem:
        detail = "The form has no file: send the recording in the field 'file'"
        if self._other_file is not None:
            detail += f", not {self._other_file[:_MAX_NAME_CHARS]!r}"
        return Problem("no_file", f"{detail}.", param="file")

    def _add_text(self, data: bytes) -> None:
        self._text += data
        self._fields_size += len(data)
        name = self._part.name if self._part else ""
        if len(self._text) > self._limits.max_field_bytes:
            raise Problem(
                "field_too_large",
                f"The field '{name}' is longer than the maximum of {self._limits.max_field_bytes} bytes.",
                param=name,
            )
        if self._fields_size > self._limits.max_fields_bytes:
            raise Problem(
                "field_too_large",
                f"The fields are longer than the maximum of {self._limits.max_fields_bytes} bytes together.",
                param=name,
            )

    def _end(self) -> None:
        if self._in_audio:
            self._in_audio = False
            self.audio_complete = True
        elif self._part is not None and self._in_field:
            try:
                text = self._text.decode()
            except UnicodeDecodeError:
                name = self._part.name
                raise Problem("field_not_utf8", f"The field '{name}' is not UTF-8 text.", param=name) from None
            self.fields.setdefault(self._part.name, []).append(text)
        self._text.clear()
        self._part = None


def _malformed(error: MultipartError) -> Problem:
    text = str(error)
    return Problem(error.code, f"{text[:1].upper()}{text[1:]}.")


def too_large(limits: FormLimits) -> Problem:
    """Return the problem of an upload over its limit."""
    return Problem(
        "upload_too_large", f"The upload is larger than the maximum of {limits.max_bytes} bytes.", param="file"
    )
