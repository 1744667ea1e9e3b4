"""Arrivals of requests: from a CSV file, or from a recorded trace.

A trace is a file of JSON lines, described in `docs/reference/scaling-traces.md`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from speechoperator.errors import OperatorError
from speechoperator.plan.scaling.load import Report, total
from speechoperator.simulation.stage import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from speechoperator.plan.scaling.load import Load

TIME_COLUMNS = ("time", "timestamp", "arrival")
AUDIO_COLUMN = "audio_seconds"


class TraceError(OperatorError):
    """A trace or a CSV file cannot be read; the message names the line."""

    code = "invalid_file"


@dataclass(frozen=True, slots=True)
class Trace:
    """What a file says.

    Attributes:
        jobs: The requests, by arrival, the first at 0; their work is seconds of audio.
        source: How they were obtained, in words.
    """

    jobs: tuple[Job, ...]
    source: str


def read_csv(path: Path, column: str = AUDIO_COLUMN, scale: float = 1.0) -> Trace:
    """Read one request per row.

    Args:
        path: A CSV file with a header, possibly compressed with gzip; a column `time`, `timestamp` or `arrival` in
            seconds or ISO 8601, and one with the length of the recording.
        column: Name of the column with the length.
        scale: Seconds of audio per unit of that column.

    Raises:
        TraceError: a column is missing, a value is no number, or there is no row.
    """
    rows = csv.DictReader(io.StringIO(_text(path)))
    names = {name.strip().lower(): name for name in rows.fieldnames or []}
    time = next((names[name] for name in TIME_COLUMNS if name in names), None)
    length = names.get(column.lower())
    if time is None or length is None:
        wanted = column if length is None else " or ".join(TIME_COLUMNS)
        raise TraceError(f"{path}: no column {wanted}; there are {', '.join(names) or 'none'}")
    jobs = []
    for row in rows:
        try:
            jobs.append(Job(_seconds(row[time]), _length(float(row[length]) * scale)))
        except (TypeError, ValueError) as error:
            raise TraceError(f"{path}, line {rows.line_num}: {error}") from error
    described = column if scale == 1.0 else f"{column} x {scale:g} s"
    return Trace(_from_zero(path, jobs), f"arrivals; seconds of audio = {described}")


def read_trace(path: Path) -> Trace:
    """Read arrivals, loads, or the log of bridges.

    In a log, the lines of requests with a transcribed recording count; they were written when the request ended. From
    loads, arrivals are estimated: the audio that arrived between two lines is what the pods decoded meanwhile,
    plus the growth of the backlog. It is divided into as many recordings as requests arrived at least.

    Raises:
        TraceError: a line is not a JSON object with the members of an arrival or of a load, or there is none.
    """
    arrivals: list[Job] = []
    loads: list[tuple[float, Load]] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            at = _seconds(entry["time"])
            if "audio_seconds" in entry:
                taken = _length(float(entry.get("duration_ms", 0))) / 1000
                arrivals.append(Job(at - taken, _length(float(entry["audio_seconds"]))))
            elif "message" not in entry:
                loads.append((at, total(_reports(entry["whisper"]), at)))
        except KeyError as error:
            raise TraceError(f"{path}, line {number}: {error.args[0]} is missing") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise TraceError(f"{path}, line {number}: {error}") from error
    if arrivals:
        return Trace(_from_zero(path, arrivals), "recorded arrivals")
    return Trace(_from_zero(path, list(_estimated(loads))), "arrivals estimated from recorded loads")


def _reports(entries: Iterable[Any]) -> Iterator[Report]:
    for entry in entries:
        yield Report.parse(entry)


def _estimated(loads: list[tuple[float, Load]]) -> Iterator[Job]:
    before: tuple[float, Load] | None = None
    for at, load in sorted(loads, key=lambda one: one[0]):
        since, last = before or (at, None)
        backlog, requests = load.audio_seconds or 0.0, load.requests or 0.0
        decoded = grown = 0.0
        if last:
            decoded = (last.busy or 0.0) * (last.speed or load.speed or 0.0) * (at - since)
            grown = requests - (last.requests or 0.0)
        arrived = backlog - (last.audio_seconds or 0.0 if last else 0.0) + decoded
        count = max(1, math.ceil(grown if last else requests))
        if arrived > 0:
            yield from (Job(at, arrived / count) for _ in range(count))
        before = (at, load)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _from_zero(path: Path, jobs: list[Job]) -> tuple[Job, ...]:
    if not jobs:
        raise TraceError(f"{path}: no requests in this file")
    jobs.sort(key=lambda job: job.arrival)
    start = jobs[0].arrival
    return tuple(Job(job.arrival - start, job.work) for job in jobs)


def _seconds(value: object) -> float:
    """Return seconds since the epoch, or since any other moment; a time without a zone is UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(float(value))
    text = str(value).strip()
    try:
        return _finite(float(text))
    except ValueError:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _length(value: float) -> float:
    """Return the seconds of a recording, or the time that a request took."""
    if _finite(value) < 0:
        raise ValueError(f"a length is negative: {value:g}")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    return value
