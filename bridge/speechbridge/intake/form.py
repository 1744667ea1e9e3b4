"""The form of one request, read as it arrives: its text fields, and its audio as a stream on the way to a pod.

The audio is pulled by whoever reads `Upload.chunks`; nothing runs beside it. What happens to the bytes:

* A small upload (up to `stream_start_bytes`) is complete, in memory, before a Whisper slot is taken for it.
* A large one that comes fast goes straight through. Its first `retry_buffer_bytes` are kept, so that it can move to
  another pod; past that it is forgotten chunk by chunk as it leaves.
* One that comes slowly, or falls behind, holds no slot: it waits in a `Spool` until it is complete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speechbridge.audio.port import FellBehind
from speechbridge.errors import Problem
from speechbridge.intake.multipart import Limits, MultipartError, MultipartParser, PartBegin, PartEnd, boundary_of
from speechbridge.intake.spool import Spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from speechbridge.intake.body import Body
    from speechbridge.intake.spool import SpoolBudget

FILE_FIELDS = frozenset({"file", "audio_file"})
_HEAD = 64
_LONGEST_PAUSE_WITH_A_POD = 5.0  # seconds: what came is with the pod and kept nowhere else, so the pod waits as well
_FORM_OVERHEAD = 2**20  # bytes of a form that are not audio, when its declared length is judged


@dataclass(frozen=True)
class UploadRules:
    """Sizes in bytes, rates in bytes per second, times in seconds; see `Settings` for what each means."""

    max_bytes: int
    max_field_bytes: int
    start_bytes: int
    min_stream_rate: int
    lag: float
    retry_buffer: int


def check_declared_length(length: int | None, rules: UploadRules) -> None:
    """Refuse a body that says itself that it is too large, before it is read.

    Raises:
        Problem: `upload_too_large`.
    """
    if length is not None and length > rules.max_bytes + _FORM_OVERHEAD:
        raise _too_large(rules)


class Upload:
    """A multipart form with one audio file; implements the port `Audio`.

    Attributes:
        fields: The text fields that have come so far, each with all its values.
        received: Bytes of audio that have come so far.
    """

    def __init__(
        self,
        body: Body,
        content_type: str,
        rules: UploadRules,
        budget: SpoolBudget,
    ) -> None:
        self.fields: dict[str, list[str]] = {}
        self.filename = ""
        self.content_type = ""
        self.received = 0
        self.replayable = True
        self.head = b""
        self._body = body
        try:
            self._parser = MultipartParser(boundary_of(content_type), Limits())
        except MultipartError as error:
            raise Problem(error.code, f"{error}.") from None
        self._rules = rules
        self._spool = Spool(rules.retry_buffer, budget)
        self._began = False
        self._audio_done = False
        self._form_done = False
        self._fell_behind = False
        self._part: PartBegin | None = None
        self._in_audio = False
        self._text: list[bytes] = []
        self._text_size = 0

    @property
    def complete(self) -> bool:
        """Whether all of the form has come."""
        return self._form_done

    @property
    def size(self) -> int | None:
        """Bytes of audio, or None while they still come."""
        return self.received if self._audio_done else None

    async def open(self) -> None:
        """Read up to the audio: the fields before it are there then.

        Raises:
            Problem: `no_file`, or whatever is wrong with the form.
        """
        while not self._began:
            if self._form_done:
                raise Problem("no_file", "The form has no file: send the recording as the field 'file'.", param="file")
            await self._keep(await self._pull())

    async def settle(self) -> None:
        """Wait until a Whisper slot may be taken: the audio is complete, or much of it has come and more comes fast."""
        while not self._audio_done:
            if self.received >= self._rules.start_bytes and self._is_fast() and not self._fell_behind:
                return
            await self._keep(await self._pull())
        await self._finish_form()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the audio: what was kept, then what comes.

        When it ends, all fields have come too.

        Raises:
            FellBehind: The sender paused, or is too slow to be let through unkept; `settle`, then start again.
            Problem: What the sender did wrong.
        """
        for chunk in self._spool.in_memory:
            yield chunk
        if self._spool.overflowed:
            async for chunk in self._spool.overflow():
                yield chunk
        while not self._audio_done:
            longest = min(_LONGEST_PAUSE_WITH_A_POD, self._body.stall_timeout)
            chunks = await self._pull(self._rules.lag if self.replayable else longest)
            if self.replayable and not self._spool.keep(chunks):
                if not self._is_fast():
                    await self._fall_behind(chunks)
                self.replayable = False
                self._spool.close()
            for chunk in chunks:
                yield chunk
        await self._finish_form()

    def close(self) -> None:
        """Forget the audio."""
        self._spool.close()

    def _is_fast(self) -> bool:
        return self.received >= self._rules.min_stream_rate * self._body.waited

    async def _fall_behind(self, unkept: list[bytes]) -> None:
        self._fell_behind = True
        await self._keep(unkept)
        raise FellBehind

    async def _keep(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            await self._spool.add(chunk)

    async def _finish_form(self) -> None:
        while not self._form_done:
            await self._pull()
        if not self.received:
            raise Problem("empty_file", "The file has no bytes: record or choose another one.", param="file")

    async def _pull(self, patience: float | None = None) -> list[bytes]:
        """Take in what comes next, return the audio in it; FellBehind when the patience is over."""
        try:
            data = await self._body.read(patience)
        except TimeoutError:
            if not self.replayable:
                raise Problem(
                    "upload_stalled", f"No byte came for {patience:g} s in the midst of a large upload; send it again."
                ) from None
            self._fell_behind = True
            raise FellBehind from None
        if self._body.received > self._rules.max_bytes + _FORM_OVERHEAD:
            raise _too_large(self._rules)
        try:
            if not data:
                self._parser.finish()
                self._audio_done = self._form_done = True
                return []
            return self._audio_in(self._parser.feed(data))
        except MultipartError as error:
            raise Problem(error.code, f"{error}.") from None

    def _audio_in(self, events: list[PartBegin | bytes | PartEnd]) -> list[bytes]:
        audio: list[bytes] = []
        for event in events:
            if isinstance(event, bytes):
                if self._in_audio:
                    audio.append(event)
                elif self._part is not None and self._part.filename is None:
                    self._add_text(event)
            elif isinstance(event, PartBegin):
                self._begin(event)
            else:
                self._end()
        if audio:
            self.received += sum(map(len, audio))
            if self.received > self._rules.max_bytes:
                raise _too_large(self._rules)
            if len(self.head) < _HEAD:
                self.head = (self.head + b"".join(audio)[:_HEAD])[:_HEAD]
        return audio

    def _begin(self, part: PartBegin) -> None:
        self._part = part
        if part.name in FILE_FIELDS:
            if self._began:
                raise Problem("bad_field", "The form has more than one file; send one recording.", param=part.name)
            self._began = self._in_audio = True
            self.filename = part.filename or ""
            self.content_type = part.content_type or ""

    def _add_text(self, data: bytes) -> None:
        self._text_size += len(data)
        if self._text_size > self._rules.max_field_bytes:
            name = self._part.name if self._part else ""
            raise Problem(
                "field_too_large", f"The field '{name}' is longer than {self._rules.max_field_bytes} bytes.", param=name
            )
        self._text.append(data)

    def _end(self) -> None:
        if self._in_audio:
            self._in_audio = False
            self._audio_done = True
        elif self._part is not None and self._part.filename is None:
            try:
                text = b"".join(self._text).decode()
            except UnicodeDecodeError:
                name = self._part.name
                raise Problem("field_not_utf8", f"The field '{name}' is not UTF-8 text.", param=name) from None
            self.fields.setdefault(self._part.name, []).append(text)
        self._text, self._text_size, self._part = [], 0, None


def _too_large(rules: UploadRules) -> Problem:
    return Problem(
        "upload_too_large", f"The upload is larger than the {rules.max_bytes} bytes allowed here.", param="file"
    )
