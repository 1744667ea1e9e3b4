"""Structured logs: one JSON object per line on stderr, with the pipeline it is about."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_pipeline: ContextVar[str] = ContextVar("pipeline", default="")
_logger = logging.getLogger("speechoperator")


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: `time`, `level`, `message`, `pipeline`, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if current := _pipeline.get():
            line["pipeline"] = current
        if record.name != _logger.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@contextmanager
def pipeline(namespace: str, name: str) -> Iterator[None]:
    """Add the pipeline to every line that is logged within, and in tasks that are started within."""
    token = _pipeline.set(f"{namespace}/{name}")
    try:
        yield
    finally:
        _pipeline.reset(token)


def debug(message: str, **fields: object) -> None:
    """Log a detail for troubleshooting."""
    _logger.debug(message, extra={"fields": fields})


def info(message: str, **fields: object) -> None:
    """Log an event of normal operation."""
    _logger.info(message, extra={"fields": fields})


def warning(message: str, **fields: object) -> None:
    """Log a condition that may need attention."""
    _logger.warning(message, extra={"fields": fields})


def error(message: str, **fields: object) -> None:
    """Log a failure."""
    _logger.error(message, extra={"fields": fields})


def exception(message: str, **fields: object) -> None:
    """Log the exception being handled, a bug, with its stack trace."""
    _logger.exception(message, extra={"fields": fields})  # noqa: LOG004 - called by exception handlers


def configure(level: str) -> None:
    """Send all loggers of this process to stderr as JSON, from `level` upwards.

    kopf logs every event and every retried request; what matters of that is logged by the operator itself.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        logging.getLogger("asyncio").setLevel(logging.WARNING)
