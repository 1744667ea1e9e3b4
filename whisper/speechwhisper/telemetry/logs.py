"""Structured logs: one JSON object per line on stderr, with the ids of the request and of its trace.

Transcripts and prompts are never logged; errors are logged by code and kind.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from aiohttp.http_exceptions import HttpProcessingError

request_id: ContextVar[str] = ContextVar("request_id", default="")
trace_id: ContextVar[str] = ContextVar("trace_id", default="")
logger = logging.getLogger("speechwhisper")


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: `time`, `level`, `message`, `request_id`, `trace_id`, and the fields of the call."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        if trace := trace_id.get():
            line["trace_id"] = trace
        if record.name != logger.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def debug(message: str, **fields: object) -> None:
    """Log a detail for troubleshooting."""
    logger.debug(message, extra={"fields": fields})


def info(message: str, **fields: object) -> None:
    """Log an event of normal operation."""
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


def without_client_faults(record: logging.LogRecord) -> bool:
    """Log malformed HTTP as a one-line warning; aiohttp logs it as an error, with a stack trace."""
    fault = record.exc_info[1] if record.exc_info else None
    if isinstance(fault, HttpProcessingError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = "malformed HTTP request: %s", (type(fault).__name__,)
        record.exc_info = None
    return True


def configure(level: str) -> None:
    """Send every logger of this process to stderr as JSON, from `level` upwards."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(without_client_faults)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("httpx", "huggingface_hub", "faster_whisper", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
