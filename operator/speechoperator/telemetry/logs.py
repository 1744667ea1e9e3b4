"""Structured logs: one JSON object a line on stderr, with the pipeline it belongs to."""

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
logger = logging.getLogger("speechoperator")


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: `time`, `level`, `message`, `pipeline`, and the `fields` passed as extra."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if current := _pipeline.get():
            line["pipeline"] = current
        if record.name != logger.name:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@contextmanager
def about(namespace: str, name: str) -> Iterator[None]:
    """Name the pipeline in every line that is logged within, in tasks that are started within too."""
    token = _pipeline.set(f"{namespace}/{name}")
    try:
        yield
    finally:
        _pipeline.reset(token)


def debug(message: str, **fields: object) -> None:
    """Log something that only a person who looks for a fault wants to know."""
    logger.debug(message, extra={"fields": fields})


def info(message: str, **fields: object) -> None:
    """Log something that happened."""
    logger.info(message, extra={"fields": fields})


def warning(message: str, **fields: object) -> None:
    """Log something that a person may have to mend."""
    logger.warning(message, extra={"fields": fields})


def configure(level: str) -> None:
    """Send every logger of this process to stderr as JSON, from `level` upwards.

    kopf tells of each event and of each request that it repeats; what of that matters is logged by the operator itself.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if level != "debug":
        logging.getLogger("kopf").setLevel(logging.CRITICAL)
        logging.getLogger("asyncio").setLevel(logging.WARNING)
