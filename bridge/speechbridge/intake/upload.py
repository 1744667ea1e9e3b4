"""Decides when an upload is streamed to a pod and when it is buffered first.

Whoever reads `Upload.chunks` pulls the audio from the client; no task runs beside it.

* A small upload (up to `start_bytes`) is complete, in memory, before it occupies a Whisper slot.
* A large, fast one is streamed through, and buffered in a `Spool` as well, so that another pod can take it over. Only
  when the files of all uploads take half of what they may is it no longer buffered, and stays with its pod: the other
  half is for slow uploads, which cannot do without.
* A slow one occupies no slot: it is buffered in a `Spool` until it is complete. So is one that slows down, unless it is
  no longer buffered, or the client has a part of its transcript.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from speechbridge.audio.ends import ENDS_BYTES
from speechbridge.audio.port import RestartRequired
from speechbridge.errors import Problem
from speechbridge.intake.bare_recording import BareRecording
from speechbridge.intake.body import Body
from speechbridge.intake.form import FORM, Form, FormLimits, check_form
from speechbridge.intake.spool import BLOCK_BYTES, Spool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    import aiohttp

    from speechbridge.intake.body import Pace
    from speechbridge.intake.budget import Budgets

READ_AHEAD_BYTES = 512 * 1024
"""What the server reads from a socket before anyone asks for it: twice the size of its reader's buffer."""
_FOR_RETRIES = 0.5
"""The part of the disk budget of all callers up to which fast uploads are buffered too."""
_MAX_UNBUFFERED_PAUSE_S = 5.0  # only the pod has the bytes sent so far, so its slot stays occupied meanwhile


@dataclass(frozen=True)
class UploadRules:
    """Sizes in bytes, rates in bytes per second, times in seconds; `Settings` describes each."""

    limits: FormLimits
    start_bytes: int
    min_stream_rate: int
    slot_idle_timeout: float
    retry_buffer: int


def open_form(
    stream: aiohttp.StreamReader,
    headers: Mapping[str, str],
    query: Mapping[str, list[str]],
    rules: UploadRules,
    pace: Pace,
    budgets: Budgets,
    progress: Callable[[], None],
    clock: Callable[[], float] = monotonic,
) -> Upload:
    """Return the upload of a request, of which no byte has been read yet.

    Args:
        stream: The body of the request.
        headers: Its headers.
        query: Its query parameters, the options of a recording without a form.
        rules: What is streamed and what is buffered.
        pace: What is required of the sender.
        budgets: What all uploads may hold.
        progress: Is called whenever bytes arrive.
        clock: Seconds of a monotonic clock.

    Raises:
        Problem: The headers announce neither a form nor a recording, or one that is too large.
    """
    media_type = check_form(headers, rules.limits)
    body = Body(stream, pace, clock, progress)
    if media_type != FORM:
        return Upload(BareRecording(body, media_type, query, rules.limits), body, rules, budgets)
    return Upload(Form(body, headers["Content-Type"], rules.limits), body, rules, budgets)


def memory_for(declared: int | None, limits: FormLimits) -> int:
    """Return how many bytes an upload holds in memory besides its spool: to be taken before it is read.

    Args:
        declared: Its size according to the headers, if they reveal it.
        limits: Of its fields.
    """
    most = READ_AHEAD_BYTES + BLOCK_BYTES + limits.max_fields_bytes
    if declared is None:
        return most + ENDS_BYTES
    return min(declared, most) + min(declared, ENDS_BYTES)


class Upload:
    """The audio of a request that is arriving; implements the port `Audio`."""

    def __init__(self, form: Form | BareRecording, body: Body, rules: UploadRules, budgets: Budgets) -> None:
        self.replayable = True
        self._form = form
        self._body = body
        self._rules = rules
        self._budgets = budgets
        self._spool = Spool(rules.retry_buffer, budgets)
        self._slowed_down = False
        self._forwarding = False
        """Whether `chunks` has yielded all that was buffered, and writes nothing to the buffer at the moment."""

    @property
    def fields(self) -> Mapping[str, list[str]]:
        """The text fields received so far, each with all its values."""
        return self._form.fields

    @property
    def filename(self) -> str:
        """The name of the file, as sent; may be empty."""
        return self._form.filename

    @property
    def content_type(self) -> str:
        """The type of the file, as sent; may be empty."""
        return self._form.content_type

    @property
    def head(self) -> bytes:
        """The first bytes of the audio, at most 4 KiB."""
        return self._form.ends.head

    @property
    def tail(self) -> bytes:
        """The last bytes of the audio once it is complete, if its duration is there."""
        return self._form.ends.tail if self._form.audio_complete else b""

    @property
    def waited(self) -> float:
        """Seconds spent waiting for the sender."""
        return self._body.waited

    @property
    def received(self) -> int:
        """Bytes of audio received so far."""
        return self._form.received

    @property
    def complete(self) -> bool:
        """Whether the whole form has been received."""
        return self._form.complete

    @property
    def whole(self) -> tuple[bytes, ...] | None:
        """The chunks of the whole recording, once it and all fields have arrived and if it is in memory; else None."""
        if not self._form.complete or not self._spool.bytes_in_memory == self._form.received > 0:
            return None
        return self._spool.in_memory

    @property
    def size(self) -> int | None:
        """The size of the audio in bytes, None while it is incomplete."""
        return self._form.received if self._form.audio_complete else None

    def commit(self) -> None:
        """Note that the audio will not be sent again, however slow the rest of it is; free its copy."""
        self.replayable = False
        if self._forwarding:
            self._spool.close()

    def discard(self) -> None:
        """Free what is buffered: nothing will read `chunks` from its start."""
        self.replayable = False
        self._spool.close()

    async def start(self) -> None:
        """Read until the audio begins; the fields before it are available then.

        Raises:
            Problem: `no_file`, or the form is invalid.
        """
        await self._buffer(await self._form.read_to_audio())

    async def buffer_until_ready(self) -> None:
        """Return once the audio is complete, or enough of it has arrived and the rest arrives fast."""
        while not self._form.audio_complete:
            if self.received >= self._rules.start_bytes and self._is_fast() and not self._slowed_down:
                return
            await self._buffer(await self._form.read())
        await self._form.read_rest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the audio from its start: the buffered chunks, then those that arrive.

        The fields after the audio are available when it ends.

        Raises:
            RestartRequired: The sender pauses, or is too slow to be streamed without buffering.
            Problem: The upload is invalid, or stalled.
        """
        self._forwarding = False
        for chunk in self._spool.in_memory:
            yield chunk
        if self._spool.overflowed:
            async for chunk in self._spool.overflow():
                yield chunk
        self._forward()
        while not self._form.audio_complete:
            chunks = await self._read_in_time()
            if self.replayable and not self._spool.add_to_memory(chunks):
                self._forwarding = False
                await self._leave_memory(chunks)
                self._forward()
            for chunk in chunks:
                yield chunk
        await self._form.read_rest()

    def close(self) -> None:
        """Discard the audio."""
        self._spool.close()

    def _is_fast(self) -> bool:
        return self.received >= self._rules.min_stream_rate * self._body.waited

    def _restart(self) -> RestartRequired:
        self._slowed_down = True
        return RestartRequired()

    async def _buffer(self, chunks: list[bytes]) -> None:
        if self._spool.add_to_memory(chunks):
            return
        for chunk in chunks:
            await self._spool.add(chunk)

    async def _leave_memory(self, chunks: list[bytes]) -> None:
        """Buffer on disk, for another pod if the upload is fast, and for the next attempt if it is slow.

        Raises:
            RestartRequired: It is slow, and `commit` has not been called meanwhile.
            Problem: `overloaded`: It is slow, and there is no room for it.
        """
        fast = self._is_fast()
        if fast and not self._budgets.disk.is_below(_FOR_RETRIES):
            self.discard()
            return
        try:
            await self._buffer(chunks)
        except Problem:
            if not fast:
                raise
            self.discard()
        if self.replayable and not fast:
            raise self._restart()

    def _forward(self) -> None:
        """Note that the buffer is in use no more, and free it if it is needed no more."""
        self._forwarding = True
        if not self.replayable:
            self._spool.close()

    async def _read_in_time(self) -> list[bytes]:
        """Read the next chunks, within the pause that is allowed while a slot is occupied."""
        if self.replayable:
            try:
                return await self._form.read(self._rules.slot_idle_timeout)
            except TimeoutError:
                if self.replayable:
                    raise self._restart() from None
        longest = min(_MAX_UNBUFFERED_PAUSE_S, self._body.stall_timeout)
        try:
            return await self._form.read(longest)
        except TimeoutError:
            raise Problem("upload_stalled", f"The upload stalled: no data for {longest:g} s. Send it again.") from None
