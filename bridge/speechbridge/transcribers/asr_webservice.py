"""whisper-asr-webservice (1.10): `POST /asr`.

Its quirks, all minded here: `audio_file` needs a filename; everything else is a query parameter; the answer is
`text/plain` even for `output=json`; the whisperx engine leaves out the top-level `text`; audio that cannot be decoded
is a bare 500; there is no health route, and HTTP freezes during a job, so being there means accepting a connection.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from speechbridge.audio.port import RestartRequired, is_recognised, is_video_without_audio
from speechbridge.errors import Problem
from speechbridge.transcribers.post_audio import post_audio
from speechbridge.transcribers.transcript import transcript_from
from speechbridge.upstreams.failures import FailureKind, UpstreamError
from speechbridge.upstreams.responses import check_transcriber_status, json_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from speechbridge.audio.port import Audio
    from speechbridge.transcribers.port import TranscriptionOptions
    from speechbridge.transcribers.transcript import Segment, Transcript
    from speechbridge.upstreams.endpoint import Endpoint


class AsrWebservice:
    """Implements the port `Transcriber`; yields the transcript alone, as this protocol does not stream."""

    async def transcribe(
        self, endpoint: Endpoint, audio: Audio, options: Callable[[], TranscriptionOptions], headers: str
    ) -> AsyncGenerator[Segment | Transcript]:
        """Send the recording, yield the transcript; see the port."""
        sent = options()
        async with endpoint.connection() as connection:
            await post_audio(connection, endpoint, f"/asr?{_query(sent)}", headers, audio, file_field="audio_file")
            if options() != sent:
                _restart(audio)
            status = await connection.response()
            body = await connection.read()
            if status == HTTPStatus.INTERNAL_SERVER_ERROR:
                await _blame_the_file(audio)
            check_transcriber_status(status, body)
            yield transcript_from(json_object(body))

    async def probe(self, endpoint: Endpoint) -> None:
        """Connect; nothing more can be asked without waiting for a running job."""
        await endpoint.reach()


@lru_cache(maxsize=64)
def _query(options: TranscriptionOptions) -> str:
    query = {"output": "json", "task": options.task, "encode": "true"}
    if options.language:
        query["language"] = options.language
    if options.prompt:
        query["initial_prompt"] = options.prompt
    if options.word_timestamps:
        query["word_timestamps"] = "true"
    return urlencode(query)


async def _blame_the_file(audio: Audio) -> None:
    """Raise UpstreamError when the bare 500 is the file's fault, as far as a look into it tells."""
    if not is_recognised(audio):
        raise UpstreamError(FailureKind.BAD_AUDIO, "its first bytes are those of no audio format", code="not_audio")
    if audio.size is not None and audio.replayable and await is_video_without_audio(audio):
        raise UpstreamError(FailureKind.BAD_AUDIO, "it has pictures and no sound", code="no_audio_stream")


def _restart(audio: Audio) -> None:
    """Start anew with an option that came after the file, where the audio is still there."""
    if audio.replayable:
        raise RestartRequired
    raise Problem(
        "field_after_file", "Send 'language' and the other options before the file when the file is a large one."
    )
