"""Broken, hostile and unlucky uploads: each a clear refusal, none a 500, and the slot is free again."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import tempfile
from typing import TYPE_CHECKING

import pytest
from aiohttp import FormData

from speechwhisper.service import SERVICE
from whisper import media
from whisper.conftest import Start, eventually, full_disk
from whisper.scripted import ScriptedDecoder, segment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp.test_utils import TestClient

pytestmark = pytest.mark.unit

WAV = media.encode(media.tone(1))


async def refused(client: TestClient, body: object, headers: dict[str, str] | None = None) -> tuple[int, str]:
    data = io.BytesIO(body) if isinstance(body, bytes) else body
    async with client.post("/asr", data=data, headers=headers) as response:
        answer = await response.json(content_type="application/problem+json")
    await eventually(lambda: free(client))
    assert answer["status"] == response.status
    assert answer["request_id"] == response.headers["X-Request-ID"]
    return response.status, answer["code"]


def recording() -> FormData:
    form = FormData()
    form.add_field("audio_file", WAV, filename="a.wav")
    return form


def free(client: TestClient) -> bool:
    return client.server.app[SERVICE].slots.busy == 0


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], (400, "no_file")),
        ([media.field_part("language", b"en")], (400, "no_file")),
        ([media.file_part(WAV, field="attachment")], (400, "no_file")),
        ([media.file_part(b"")], (400, "empty_file")),
        ([media.file_part(media.encode(media.silence(0)))], (400, "empty_file")),
        ([media.file_part(media.text())], (400, "not_audio")),
        ([media.file_part(media.video_without_sound())], (400, "no_audio_stream")),
        ([media.file_part(WAV), media.file_part(WAV)], (400, "bad_field")),
        ([media.file_part(WAV), media.field_part("note", b"\xff\xfe")], (400, "bad_field")),
        ([media.field_part("note", b"x" * 300_000)], (400, "bad_field")),
        ([media.field_part(f"f{number}", b"x") for number in range(10_000)], (400, "bad_multipart")),
        ([("Content-Disposition: form-data", b"nameless")], (400, "bad_multipart")),
        ([("X-Big: " + "x" * 100_000, b"")], (400, "bad_multipart")),
        ([("\r\n".join(f"X-{number}: x" for number in range(1000)), b"")], (400, "bad_multipart")),
        ([("not a header", b"")], (400, "bad_multipart")),
        ([("Content-Type: multipart/mixed; boundary=inner", b"--inner--")], (400, "bad_multipart")),
        ([("Content-Transfer-Encoding: base64\r\n" + media.file_part(b"")[0], b"AAAA")], (400, "bad_multipart")),
        ([media.field_part("_charset_", b"\xff" * 20)], (400, "bad_multipart")),
    ],
)
async def test_a_bad_form_is_refused(start: Start, parts: list[tuple[str, bytes]], expected: tuple[int, str]) -> None:
    client = await start()
    body, headers = media.multipart(*parts)

    assert await refused(client, body, headers) == expected


LATE_INDEX = media.mp4_with_index_last(media.tone(1))
DATA_FIRST = LATE_INDEX[: LATE_INDEX.index(b"mdat") + 4] + bytes(2 * 1024 * 1024)
"""The beginning of a long MP4 whose index comes last: it is copied before anything of it is decoded."""


@pytest.mark.parametrize("disk", ["full", "missing"])
async def test_an_upload_read_out_of_order_is_refused_without_space_for_its_copy(
    start: Start, disk: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = await start()
    body, headers = media.multipart(media.file_part(DATA_FIRST))
    if disk == "missing":
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))

    with full_disk() if disk == "full" else contextlib.nullcontext():
        async with client.post("/asr", data=io.BytesIO(body), headers=headers) as response:
            answer = await response.json(content_type="application/problem+json")

    assert (response.status, answer["code"]) == (503, "no_space")
    assert int(response.headers["Retry-After"]) > 0
    assert "no disk space for uploads" in caplog.messages
    assert "unexpected error" not in caplog.messages
    await eventually(lambda: free(client))


def in_latin_1(*parts: tuple[str, bytes]) -> tuple[io.BytesIO, dict[str, str]]:
    """A form whose headers are in the charset of an old client: `ä` is a byte that is not UTF-8."""
    body, headers = media.multipart(*parts)
    return io.BytesIO(body.replace("ä".encode(), b"\xe4")), headers


async def test_a_file_name_that_is_not_utf_8_is_accepted(start: Start) -> None:
    client = await start(ScriptedDecoder([segment(" Hello.")]))
    body, headers = in_latin_1(media.file_part(WAV, filename="käse.wav"))

    async with client.post("/asr", data=body, headers=headers) as response:
        assert (response.status, (await response.text()).strip()) == (200, "Hello.")
        assert response.headers["Content-Disposition"] == 'attachment; filename="k%3Fse.wav.txt"'


async def test_a_field_name_that_is_not_utf_8_is_quoted_in_a_refusal(start: Start) -> None:
    client = await start()
    body, headers = in_latin_1(media.field_part("fäld", b"\xff"))

    async with client.post("/asr", data=body, headers=headers) as response:
        refusal = await response.json(content_type="application/problem+json")

    assert (response.status, refusal["code"], refusal["param"]) == (400, "bad_field", "f\udce4ld")


async def test_a_field_name_that_is_not_utf_8_is_quoted_in_a_stream(start: Start) -> None:
    client = await start(ScriptedDecoder([segment(" Hello.")]))
    body, headers = in_latin_1(
        media.field_part("stream", b"true"), media.file_part(WAV, field="file"), media.field_part("fäld", b"\xff")
    )

    async with client.post("/v1/audio/transcriptions", data=body, headers=headers) as response:
        events = [json.loads(line[6:]) async for line in response.content if line.startswith(b"data: ")]

    assert events[-1]["error"]["param"] == "f\udce4ld"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{}", "application/json", (415, "unsupported_media_type")),
        (b"a=b", "application/x-www-form-urlencoded", (415, "unsupported_media_type")),
        (WAV, "image/png", (415, "unsupported_media_type")),
        (b"", "audio/wav", (400, "empty_file")),
        (b"no audio", "application/octet-stream", (400, "not_audio")),
        (b"x", "multipart/form-data", (400, "bad_multipart")),
        (b"x", f"multipart/form-data; boundary={'b' * 71}", (400, "bad_multipart")),
        (b"no boundary anywhere", "multipart/form-data; boundary=b", (400, "bad_multipart")),
        (b"", "multipart/form-data; boundary=b", (400, "bad_multipart")),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b", (400, "bad_multipart")),
        (b"x" * 300_000, "multipart/form-data; boundary=b", (400, "bad_multipart")),
    ],
)
async def test_a_body_that_is_no_form_is_refused(
    start: Start, body: bytes, content_type: str, expected: tuple[int, str]
) -> None:
    client = await start()

    assert await refused(client, body, {"Content-Type": content_type}) == expected


async def test_a_form_that_breaks_off_is_refused(start: Start) -> None:
    client = await start()
    body, headers = media.multipart(media.file_part(WAV), end=False)

    assert await refused(client, body[:-100], headers) == (400, "bad_multipart")


async def test_a_declared_length_over_the_limit_is_refused_before_the_body(start: Start) -> None:
    client = await start(max_upload_bytes=1000)

    async def body() -> AsyncIterator[bytes]:
        yield b"-"
        await asyncio.Event().wait()

    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": "99999999"}

    assert await refused(client, body(), headers) == (413, "upload_too_large")


async def test_too_many_bytes_are_refused_while_they_come(start: Start) -> None:
    client = await start(max_upload_bytes=300_000)
    body, headers = media.multipart(media.file_part(media.encode(media.noise(30))))

    assert await refused(client, body, headers) == (413, "upload_too_large")


async def test_too_many_seconds_are_refused(start: Start) -> None:
    client = await start(max_audio_seconds=2.0)
    form = FormData()
    form.add_field("audio_file", media.encode(media.silence(60), "flac", "flac"), filename="a.flac")

    assert await refused(client, form) == (413, "audio_too_long")


@pytest.mark.parametrize("first", [b"", b"--b\r\n", media.multipart(media.file_part(WAV))[0][:5000]])
async def test_a_stalled_upload_is_given_up(start: Start, first: bytes) -> None:
    client = await start(upload_stall_timeout=0.2)

    async def body() -> AsyncIterator[bytes]:
        yield first
        await asyncio.Event().wait()

    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}

    assert await refused(client, body(), headers) == (408, "upload_stalled")


async def test_a_byte_at_a_time_is_a_stalled_upload(start: Start) -> None:
    client = await start(upload_stall_timeout=0.4)

    async def body() -> AsyncIterator[bytes]:
        yield media.multipart(media.file_part(WAV))[0][:5000]
        while True:
            yield b"\0" * 500
            await asyncio.sleep(0.02)

    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}

    assert await refused(client, body(), headers) == (408, "upload_stalled")


async def test_a_client_that_leaves_half_way_frees_the_slot(start: Start) -> None:
    client = await start()
    arrived = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield media.multipart(media.file_part(WAV))[0][:5000]
        arrived.set()
        await asyncio.Event().wait()

    headers = {"Content-Type": "multipart/form-data; boundary=frontier"}
    sending = asyncio.create_task(client.post("/asr", data=body(), headers=headers))
    await arrived.wait()
    await eventually(lambda: not free(client))

    sending.cancel()

    await eventually(lambda: free(client))


async def test_a_large_upload_passes_through_the_bounded_pipe(start: Start) -> None:
    decoder = ScriptedDecoder([segment(" Hello.")])
    client = await start(decoder)
    body, headers = media.multipart(media.file_part(media.encode(media.noise(300))))

    async with client.post("/asr", data=io.BytesIO(body), headers=headers) as response:
        assert await response.text() == "Hello.\n"

    assert decoder.audio[0].duration == 300.0


async def test_bytes_after_the_audio_are_read_and_forgotten(start: Start) -> None:
    client = await start(ScriptedDecoder([segment(" Hello.")]))
    form = FormData()
    form.add_field("audio_file", io.BytesIO(WAV + bytes(3_000_000)), filename="a.wav")
    form.add_field("late", "field")

    async with client.post("/asr", data=form) as response:
        assert await response.text() == "Hello.\n"


async def test_refusals_leave_no_stack_trace_in_the_log(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    client = await start()
    caplog.set_level(logging.DEBUG)
    for parts in ([], [media.file_part(media.text())], [("not a header", b"")]):
        body, headers = media.multipart(*parts)
        await refused(client, body, headers)

    assert not [record for record in caplog.records if record.exc_info]


async def test_expect_continue_is_refused_before_the_body(start: Start) -> None:
    decoder = ScriptedDecoder([segment(" Hello.")], hold=True)
    client = await start(decoder, whisper_queue=0)
    running = asyncio.create_task(client.post("/asr", data=recording()))
    await eventually(decoder.started.is_set)

    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        b"POST /asr HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        b"Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 503")
    assert b"Retry-After: " in head
    assert b"Connection: close" in head
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    decoder.go_on()
    assert (await running).status == 200


async def test_expect_continue_goes_on_when_a_slot_is_free(start: Start) -> None:
    client = await start(ScriptedDecoder([segment(" Hello.")]))

    async with client.post("/asr", data=recording(), expect100=True) as response:
        assert await response.text() == "Hello.\n"


async def test_giant_headers_are_a_bad_request(start: Start) -> None:
    client = await start()
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"POST /asr HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 100_000 + b"\r\n\r\n")

    assert b" 400 " in await reader.readline()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_under_v1_a_refusal_has_openais_shape(start: Start) -> None:
    client = await start()
    body, headers = media.multipart(media.file_part(media.text(), field="file"))

    async with client.post("/v1/audio/transcriptions", data=body, headers=headers) as response:
        assert response.status == 400
        assert json.loads(await response.read()) == {
            "error": {
                "message": "The file is not audio or video that can be decoded.",
                "type": "invalid_request_error",
                "param": None,
                "code": "not_audio",
            }
        }
