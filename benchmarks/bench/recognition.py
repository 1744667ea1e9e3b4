"""The Whisper server alone: word errors compared with faster-whisper, throughput, latency."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import jiwer

from bench import subjects
from bench.client import OK, Client, ReplyError, form_request
from bench.processes import HOST, PORT, Program
from bench.recordings import Recording, joined, normalised, recordings
from bench.report import Figure, Goal, Section
from speechlocal import models

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.processes import Process
    from bench.subjects import Stage

SERVER, DIRECT = "speechwhisper", "faster-whisper"
CLIENTS = 4
LONG = 40.0  # seconds: two of Whisper's windows, so that the first segment and the last are apart
MOST_ROUNDS = 3  # each takes seconds
DIRECT_TIMEOUT = 300  # seconds
FIRST_SEGMENT = re.compile(rb'"transcript\.text\.delta"')


def server(slots: int) -> Program:
    """Our Whisper server on the CPU."""
    settings = {
        "WHISPER_MODEL": str(models.whisper_weights()),
        "WHISPER_MODEL_NAME": "tiny.en",
        "WHISPER_DEVICE": "cpu",
        "WHISPER_COMPUTE_TYPE": "int8",
        "WHISPER_CONCURRENCY": str(slots),
        "SERVER_HOST": HOST,
        "SERVER_PORT": PORT,
    }
    return Program(SERVER, [sys.executable, "-m", "speechwhisper"], settings, "/readyz")


def measure(stage: Stage, rounds: int, say: Callable[[str], None]) -> Section:
    """Compare the server with faster-whisper called directly, on the same files.

    Raises:
        NotThereError: our server, or the model's weights, are missing.
    """
    subjects.require(SERVER)
    pieces = recordings()
    long = joined(pieces, LONG, stage.folder / "long.wav")
    files = [*pieces, long]
    say("real: faster-whisper, called directly")
    direct = decode_directly(files)
    seconds = sum(file.seconds for file in files)
    speed = {DIRECT: seconds / direct["seconds"]}
    say("real: the Whisper server, one client")
    with stage.start(server(slots=1)) as process:
        transcribe(process, files)  # warms up
        heard, taken = transcribe(process, files)
        speed[f"{SERVER}, 1 client"] = seconds / taken
        first, whole = segments(process, long, rounds)
    say(f"real: the Whisper server, {CLIENTS} clients")
    with stage.start(server(slots=CLIENTS)) as process, ThreadPoolExecutor(CLIENTS) as clients:
        started = time.monotonic()
        for turn in [clients.submit(transcribe, process, files) for _ in range(CLIENTS)]:
            turn.result()
        speed[f"{SERVER}, {CLIENTS} clients"] = CLIENTS * seconds / (time.monotonic() - started)
    truth = [file.words for file in files]
    errors = {SERVER: jiwer.wer(truth, heard), DIRECT: jiwer.wer(truth, [normalised(text) for text in direct["texts"]])}
    one = f"{SERVER}, 1 client"
    return Section(
        "Real: the Whisper server alone, compared with faster-whisper called directly (tiny.en, int8, all cores)",
        figures=[
            Figure("word error rate", "", {DIRECT: errors[DIRECT], one: errors[SERVER]}),
            Figure("seconds of audio per second", "", speed),
            Figure(f"time to first segment of {long.seconds:.0f} s", "s", {one: first}),
            Figure(f"time to whole transcript of {long.seconds:.0f} s", "s", {one: whole}),
        ],
        goals=[Goal("word error rate: speechwhisper - faster-whisper", 0.0, "", errors[SERVER] - errors[DIRECT])],
    )


def decode_directly(files: list[Recording]) -> dict[str, Any]:
    """What `direct.py` prints: texts, and seconds for all files together."""
    command = [
        sys.executable,
        str(Path(__file__).with_name("direct.py")),
        str(models.whisper_weights()),
        *(str(file.path) for file in files),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=DIRECT_TIMEOUT)
    decoded: dict[str, Any] = json.loads(done.stdout)
    return decoded


def transcribe(process: Process, files: list[Recording]) -> tuple[list[str], float]:
    """The texts of the files, normalised, by `/asr`, and the seconds it took."""
    requests = [form_request("/asr?output=txt&language=en", file.audio, {}, "audio_file") for file in files]
    with Client(process.port) as client:
        replies = [client.post(request) for request in requests]
    for reply in replies:
        if reply.status != OK:
            raise ReplyError(f"status {reply.status} from /asr: {reply.body[:500]!r}")
    return [normalised(reply.body.decode()) for reply in replies], sum(reply.seconds for reply in replies)


def segments(process: Process, recording: Recording, rounds: int) -> tuple[float, float]:
    """Seconds to the first segment, and to the end, of a streamed transcription: medians."""
    fields = {"model": "tiny.en", "language": "en", "stream": "true"}
    request = form_request("/v1/audio/transcriptions", recording.audio, fields)
    with Client(process.port) as client:
        streamed = [client.stream(request, FIRST_SEGMENT) for _ in range(min(rounds, MOST_ROUNDS))]
    return median(one.seconds for one in streamed), median(one.reply.seconds for one in streamed)
