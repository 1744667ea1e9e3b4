"""Log lines: one JSON object each, with the fields of the call."""

import json
import logging
from collections.abc import Callable

import pytest

from speechbridge.telemetry import logs

pytestmark = pytest.mark.unit


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    formatter = logs.JsonFormatter()
    return [json.loads(formatter.format(record)) for record in caplog.records]


@pytest.mark.parametrize(
    ("log", "level"),
    [(logs.debug, "debug"), (logs.info, "info"), (logs.warning, "warning"), (logs.error, "error")],
)
def test_a_line_has_time_level_message_and_fields(
    caplog: pytest.LogCaptureFixture, log: Callable[..., None], level: str
) -> None:
    caplog.set_level(logging.DEBUG)

    log("listening", port=8080, host="::")

    (line,) = lines(caplog)
    assert list(line) == ["time", "level", "message", "port", "host"]
    assert (line["level"], line["message"], line["port"], line["host"]) == (level, "listening", 8080, "::")


def test_a_line_has_the_id_of_its_request(caplog: pytest.LogCaptureFixture) -> None:
    logs.info("request")

    assert "request_id" not in lines(caplog)[0]
    token = logs.request_id.set("call-42")
    assert lines(caplog)[0]["request_id"] == "call-42"
    logs.request_id.reset(token)


def test_a_line_of_another_library_names_its_logger(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("aiohttp.server").warning("slow")

    assert lines(caplog)[0]["logger"] == "aiohttp.server"
