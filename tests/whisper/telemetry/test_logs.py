"""The lines of the log."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import TYPE_CHECKING

import pytest
from aiohttp.http_exceptions import BadHttpMessage

from speechwhisper.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.unit


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("info")
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_has_time_level_message_and_the_fields_of_the_call(written: io.StringIO) -> None:
    logs.warning("jobs cancelled", jobs=2)

    line = json.loads(written.getvalue())
    assert list(line) == ["time", "level", "message", "jobs"]
    assert (line["level"], line["message"], line["jobs"]) == ("warning", "jobs cancelled", 2)


def test_a_line_has_the_id_of_the_request(written: io.StringIO) -> None:
    token = logs.request_id.set("id-7")
    logs.info("request")
    logs.request_id.reset(token)

    assert json.loads(written.getvalue())["request_id"] == "id-7"


def test_lines_below_the_minimum_level_are_left_out(written: io.StringIO) -> None:
    logs.debug("request")

    assert written.getvalue() == ""


def test_malformed_http_is_a_warning_without_a_stack_trace(written: io.StringIO) -> None:
    try:
        raise BadHttpMessage("secret")
    except BadHttpMessage:
        logging.getLogger("aiohttp.server").exception("Error handling request")

    line = json.loads(written.getvalue())
    assert (line["level"], line["logger"]) == ("warning", "aiohttp.server")
    assert "exception" not in line
    assert "secret" not in written.getvalue()
