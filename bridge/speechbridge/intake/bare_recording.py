"""Reads a recording that is the whole body of a request, as `curl --data-binary` sends it; options are in the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbridge.audio.ends import Ends
from speechbridge.errors import Problem
from speechbridge.intake.form import too_large

if TYPE_CHECKING:
    from collections.abc import Mapping

    from speechbridge.intake.body import Body
    from speechbridge.intake.form import FormLimits


class BareRecording:
    """A recording without a form, with the interface of `Form`.

    Args:
        body: The body of the request.
        content_type: Its media type.
        fields: The parameters of the query, each with all its values.
        limits: The limits of a form; that of the audio applies.
    """

    def __init__(self, body: Body, content_type: str, fields: Mapping[str, list[str]], limits: FormLimits) -> None:
        self.fields = fields
        self.filename = ""
        self.content_type = content_type
        self.ends = Ends()
        self.received = 0
        self.audio_complete = False
        self._body = body
        self._limits = limits

    @property
    def complete(self) -> bool:
        """Whether the whole body has been received: nothing follows the audio."""
        return self.audio_complete

    async def read(self, timeout: float | None = None) -> list[bytes]:  # noqa: ASYNC109 - as in `Body.read`
        """Read the audio that arrives next.

        Raises:
            TimeoutError: Nothing arrived within `timeout`.
            Problem: The recording is too large, or its sender too slow.
        """
        data = await self._body.read(timeout)
        self.audio_complete = self._body.at_end
        if not data:
            return []
        self.received += len(data)
        if self.received > self._limits.max_bytes:
            raise too_large(self._limits)
        self.ends.add([data])
        return [data]

    async def read_to_audio(self) -> list[bytes]:
        """Return the first chunks of the audio, which begins at once; raises as `read` does."""
        return await self.read()

    async def read_rest(self) -> None:
        """Read to the end.

        Raises:
            Problem: `empty_file`, or as `read` does.
        """
        while not self.complete:
            await self.read()
        if not self.received:
            raise Problem("empty_file", "The body is empty: send a recording.", param="file")
