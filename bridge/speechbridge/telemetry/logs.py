"""Structured logs: one JSON object per line on stderr, with the id of the request.

Transcripts, prompts and answers are never logged; errors are logged by code and kind.
"""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

_ENCODER = json.JSONEncoder(default=str)

request_id: ContextVar[str] = ContextVar("request_id", default="")
logger = logging.getLogger("speechbridge")


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: `time`, `level`, `message`, `request_id`, and the fields of the call."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        if record.name != logger.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


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


def configure(level: str) -> None:
    """Send every logger of this process to stderr as JSON, from `level` upwards."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Thread, process and call site are not printed, so records need not collect them; finding the call site walks the
    # stack. These switches are those of Python's logging how-to, "Optimization".
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
