"""What the exporter of traces says in the log."""

from __future__ import annotations

import logging

import pytest

from speechwhisper.telemetry.exporting import exporting

pytestmark = pytest.mark.unit


def test_malformed_headers_are_reported_without_their_value(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Bearer s3cret")
    caplog.set_level(logging.DEBUG)

    exporting("http://127.0.0.1:9/v1/traces", "test").shutdown()

    assert "OTEL_EXPORTER_OTLP_HEADERS" in caplog.text
    assert "s3cret" not in caplog.text
