"""Structured logs: one JSON object per line on stderr, with the ids of the request and of its trace.

Transcripts, prompts and answers are never logged; errors are logged by code and kind.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache

_ENCODER = json.JSONEncoder(default=str)

request_id: ContextVar[str] = ContextVar("request_id", default="")
trace_id: ContextVar[str] = ContextVar("trace_id", default="")
logger = logging.getLogger("speechbridge")


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: `time`, `level`, `message`, `request_id`, `trace_id`, and the fields of the call."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = _start_of_line(record.created, record.levelname.lower(), record.getMessage())
        if record.name != logger.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr; also what needs no record, which costs several times as much as the line."""

    def write(self, level: str, message: str, fields: dict[str, object]) -> None:
        """Write a line of the bridge; ignored if stderr is closed, since there is nobody to tell."""
        line = _ENCODER.encode({**_start_of_line(time.time(), level, message), **fields})
        try:
            self.stream.write(f"{line}\n")
            self.stream.flush()
        except (OSError, ValueError):
            return


def _start_of_line(seconds: float, level: str, message: str) -> dict[str, object]:
    whole = int(seconds)
    time_ = f"{_to_the_second(whole)}.{int((seconds - whole) * 1000):03}+00:00"
    line: dict[str, object] = {"time": time_, "level": level, "message": message}
    if current := request_id.get():
        line["request_id"] = current
    if trace := trace_id.get():
        line["trace_id"] = trace
    return line


@lru_cache(maxsize=1)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def debug(message: str, **fields: object) -> None:
    """Log a detail for troubleshooting."""
    logger.debug(message, extra={"fields": fields})


def info(message: str, **fields: object) -> None:
    """Log an event of normal operation."""
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], _Handler):
        if logger.isEnabledFor(logging.INFO):
            handlers[0].write("info", message, fields)
    else:
        logger.info(message, extra={"fields": fields})


def warning(message: str, **fields: object) -> None:
    """Log a condition that may need attention."""
    logger.warning(message, extra={"fields": fields})


def error(message: str, **fields: object) -> None:
    """Log a failure."""
    logger.error(message, extra={"fields": fields})


def exception(message: str, **fields: object) -> None:
    """Log the exception being handled, with its stack trace."""
    logger.exception(message, extra={"fields": fields})  # noqa: LOG004 - called by exception handlers


def configure(level: str) -> None:
    """Send every logger of this process to stderr as JSON, from `level` upwards."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Thread, process and call site are not printed, so records need not collect them; finding the call site walks the
    # stack. These switches are those of Python's logging how-to, "Optimization".
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
